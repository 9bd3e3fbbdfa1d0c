"""What a consent is asked for, and what it lacks."""

from collections.abc import Iterable, Mapping, Sequence

from core.errors import UsageError

ROOT = "https://api.ebay.com/oauth/api_scope"
"""The same in every environment."""
IDENTITY = f"{ROOT}/commerce.identity.readonly"
_READ_ONLY = ".readonly"


def full(name: str) -> str:
    """`sell.finances` as eBay writes it."""
    return name if "://" in name else f"{ROOT}/{name}"


def short(scope: str) -> str:
    return scope.removeprefix(f"{ROOT}/")


def asked(usual: Sequence[str], more: Iterable[str], without: Iterable[str]) -> tuple[str, ...]:
    """In the order of `usual`. Raises UsageError where the seller's identity could not be asked."""
    left_out = {full(name) for name in without}
    unknown = sorted(left_out - set(usual))
    if unknown:
        known = ", ".join(short(each) for each in usual)
        raise UsageError(f"{short(unknown[0])!r} is not asked for anyway; asked for are: {known}")
    if left_out & {ROOT, IDENTITY}:
        raise UsageError(
            f"{short(IDENTITY)} and the scope without a name cannot be left out: without them"
            " nobody knows whose token it is"
        )
    wanted = dict.fromkeys([*usual, *(full(name) for name in more)])
    return tuple(each for each in wanted if each not in left_out)


def missing(granted: Iterable[str], needs: Mapping[str, str]) -> Mapping[str, str]:
    """Of each stream's need what was not granted, by stream; writing includes reading."""
    held = set(granted)
    return {
        stream: short(scope)
        for stream, scope in needs.items()
        if scope not in held and scope.removesuffix(_READ_ONLY) not in held
    }


def lacks(missing_scopes: Mapping[str, str]) -> str:
    """`transactions needs sell.finances`, for all of them."""
    return ", ".join(f"{stream} needs {scope}" for stream, scope in missing_scopes.items())
