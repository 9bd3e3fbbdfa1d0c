"""A log that can be asked what it was told."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class ListLog:
    told: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)

    def debug(self, event: str, /, **facts: object) -> None:
        self.told.append(("debug", event, facts))

    def info(self, event: str, /, **facts: object) -> None:
        self.told.append(("info", event, facts))

    def warning(self, event: str, /, **facts: object) -> None:
        self.told.append(("warning", event, facts))

    def error(self, event: str, /, **facts: object) -> None:
        self.told.append(("error", event, facts))

    def exception(self, event: str, /, **facts: object) -> None:
        self.told.append(("exception", event, facts))

    def critical(self, event: str, /, **facts: object) -> None:
        self.told.append(("critical", event, facts))

    def events(self) -> list[str]:
        return [event for _, event, _ in self.told]
