"""Log lines: one JSON object each, or text for people, on stderr."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from infra.redaction import redacted

LOGGER = "cronshot"
FACTS = "facts"


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": _instant(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, FACTS, {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return redacted(_one_line(line))


class TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, FACTS, {})
        told = " ".join(
            f"{name}={_told(value)}" for name, value in facts.items() if value is not None
        )
        line = f"{_instant(record)} {record.levelname.lower():8} {record.getMessage()} {told}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return redacted(line.rstrip())


class Lines(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (the parent's name)
        """A log that is full, or that nobody reads, must not change a run."""


class EventLog:
    """The `Log` port over the standard library's logging."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, /, **facts: object) -> None:
        self._logger.debug(event, extra={FACTS: facts})

    def info(self, event: str, /, **facts: object) -> None:
        self._logger.info(event, extra={FACTS: facts})

    def warning(self, event: str, /, **facts: object) -> None:
        self._logger.warning(event, extra={FACTS: facts})

    def error(self, event: str, /, **facts: object) -> None:
        self._logger.error(event, extra={FACTS: facts})

    def exception(self, event: str, /, **facts: object) -> None:
        self._logger.exception(event, extra={FACTS: facts})  # noqa: LOG004  (its caller handles it)

    def critical(self, event: str, /, **facts: object) -> None:
        self._logger.critical(event, extra={FACTS: facts})


def make_log(level: str, form: str | None, stream: TextIO | None = None) -> EventLog:
    """A log of our own; other libraries' loggers, which print URLs, stay silent."""
    stream = stream or sys.stderr
    # Not StreamHandler() for both: a process whose stderr is closed has none at all.
    handler = logging.NullHandler() if stream is None else Lines(stream)
    text = form == "text" or (form is None and stream is not None and stream.isatty())
    handler.setFormatter(TextLines() if text else JsonLines())
    # Not getLogger: each log has its own stream and level, and a process may have several.
    logger = logging.Logger(LOGGER, level.upper())  # noqa: LOG001  (as said above)
    logger.addHandler(handler)
    return EventLog(logger)


def _told(value: object) -> str:
    """One line per event, whatever eBay or a person put into a name or a message."""
    if isinstance(value, dict | list):
        return _one_line(value)
    text = str(value)
    plain = text.isprintable() and " " not in text and text
    return text if plain else _one_line(text)


def _one_line(value: object) -> str:
    """Umlauts as they are; what breaks lines or steers terminals (U+2028, U+0085, ESC) escaped."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value, default=str)


def _instant(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
