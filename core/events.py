"""What happened, for whoever reads logs: a constant event name and facts."""

from typing import Protocol


class Log(Protocol):
    """Events are `noun.past_verb`; facts are fields. Secrets are never facts."""

    def debug(self, event: str, /, **facts: object) -> None: ...

    def info(self, event: str, /, **facts: object) -> None: ...

    def warning(self, event: str, /, **facts: object) -> None: ...

    def error(self, event: str, /, **facts: object) -> None: ...

    def exception(self, event: str, /, **facts: object) -> None:
        """An error, with the traceback of the exception being handled."""
        ...

    def critical(self, event: str, /, **facts: object) -> None: ...
