"""Which `.env` is read, and whether every line of it can be."""

from collections.abc import Collection, Mapping
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from core.errors import ConfigurationError

ENV_FILE = "CRONSHOT_ENV_FILE"
RESEMBLES = 0.85


def env_file(environment: Mapping[str, str]) -> Path | None:
    """`.env` of the current folder, where it is; another with CRONSHOT_ENV_FILE, none if empty.

    None on Lambda. Raises ConfigurationError for a named file that is not there, and for a line
    that sets nothing: the library would pass over it.
    """
    if environment.get("AWS_LAMBDA_FUNCTION_NAME"):
        return None
    named = environment.get(ENV_FILE)
    path = Path(".env" if named is None else named)
    if named == "" or (named is None and not path.exists()):
        return None
    _check(path)
    return path


def mistyped(path: Path, known: Collection[str], given: Collection[str]) -> list[str]:
    """A sentence for each name that is none of the `known` and looks like one that is not `given`.

    Other programs may have theirs in the same file, so that is no error.
    """
    with path.open(encoding="utf-8") as file:
        names = {each.key.upper() for each in parse_stream(file) if each.key is not None}
    unknown = sorted(names.difference(known))
    missing = set(known).difference(given)
    return [_told(path, name, missing) for name in unknown if _resembled(name, missing)]


def _told(path: Path, name: str, missing: Collection[str]) -> str:
    return f"{path}: there is no setting {name}; did you mean {_resembled(name, missing)}?"


def _resembled(name: str, missing: Collection[str]) -> str:
    # Hardly anybody pays for the import.
    from difflib import get_close_matches  # noqa: PLC0415  (as said above)

    return next(iter(get_close_matches(name, missing, 1, RESEMBLES)), "")


def _check(path: Path) -> None:
    try:
        with path.open(encoding="utf-8") as file:
            wrong = [_line(each) for each in parse_stream(file) if _sets_nothing(each)]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {type(error).__name__}") from None
    if wrong:
        raise ConfigurationError(f"{path}, line {wrong[0]}: must read NAME=value")


def _sets_nothing(binding: Binding) -> bool:
    return binding.error or (binding.key is not None and binding.value is None)


def _line(binding: Binding) -> int:
    """A binding begins with the empty lines before it."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
