"""What goes wrong on purpose: rules that say when, and the kinds that say what."""

import threading
from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from random import Random
from types import UnionType
from typing import Any

from infra.simulator.answers import Request
from infra.simulator.router import OPERATION_NAMES


class Kind(StrEnum):
    """Answered instead of the work; nothing of the world is touched."""

    STATUS = "status"
    SERVER_ERROR = "server_error"
    UNAVAILABLE = "unavailable"
    RATE_LIMITED = "rate_limited"
    UNAUTHORIZED = "unauthorized"
    MISSING_SCOPE = "missing_scope"
    SIGNATURE_REQUIRED = "signature_required"
    HTML = "html"
    EMPTY_BODY = "empty_body"
    NO_CONTENT = "no_content"
    GZIP_BOMB = "gzip_bomb"
    HANG = "hang"
    GARBAGE = "garbage"
    RESET_BEFORE = "reset_before"
    # The work is done as usual, after this.
    EXPIRE_TOKEN = "expire_token"  # noqa: S105 -- the name of a fault
    DELAY = "delay"
    # The work is done, then its answer is damaged.
    TRUNCATED_JSON = "truncated_json"
    BIG_BODY = "big_body"
    NUL_ESCAPE = "nul_escape"
    LONE_SURROGATE = "lone_surrogate"
    INVALID_UTF8 = "invalid_utf8"
    HUGE_NUMBER = "huge_number"
    BAD_ROW = "bad_row"
    FOREIGN_NEXT = "foreign_next"
    SAME_PAGE = "same_page"
    WRONG_SHAPE = "wrong_shape"
    HIDE_TOTAL = "hide_total"
    WRONG_TOTAL = "wrong_total"
    # Of the Trading API only.
    XML_BOMB = "xml_bomb"
    FAILURE = "failure"
    SHORT_PAGE = "short_page"
    # The work is done, then its answer travels badly.
    TRUNCATED_BODY = "truncated_body"
    DRIP = "drip"
    SLOW_HEADERS = "slow_headers"
    RESET_AFTER = "reset_after"
    RESET_MID_BODY = "reset_mid_body"


@dataclass(slots=True, kw_only=True)
class Rule:
    """When: each of `operation`, `account`, `offset`, `limit` that is set must match; then the
    first `after` matches are let through, at most `times` are hit, each with `probability`.

    How, as far as the kind asks: `status`, `body`, `headers` (status); `retry_after` (literally, on
    status, rate_limited, unavailable, server_error); `seconds` (hang, delay: in all; drip,
    slow_headers: per byte); `size` in bytes unpacked (gzip_bomb, big_body); `rows` or `keys`, and
    `variant` (bad_row: money, date, null_id, missing_id; wrong_shape: object, numbers, list,
    string, null, missing); `value` (wrong_total: what is added). Of Trading calls: `variant`
    (failure: Failure, PartialFailure; wrong_shape: missing, else another call's answer), `value`
    (failure: the code), `rows` (short_page: how many are left out).
    """

    kind: Kind
    operation: str | None = None
    account: str | None = None
    offset: int | None = None
    limit: int | None = None
    after: int = 0
    times: int | None = None
    probability: float = 1.0
    status: int = 500
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    retry_after: str | None = None
    seconds: float | None = None
    size: int = 11_000_000
    rows: int = 1
    keys: list[str] = field(default_factory=list)
    variant: str = ""
    value: int = 1
    id: int = 0
    seen: int = 0
    hits: int = 0

    def matches(self, operation: str, request: Request) -> bool:
        name = request.account.name if request.account else None
        return (
            self.operation in {None, operation}
            and self.account in {None, name}
            and self._number(request, "offset", self.offset)
            and self._number(request, "limit", self.limit)
        )

    @staticmethod
    def _number(request: Request, name: str, wanted: int | None) -> bool:
        return wanted is None or (request.get(name) or "0") == str(wanted)

    @property
    def is_spent(self) -> bool:
        return self.times is not None and self.hits >= self.times


_TYPES: dict[str, type | UnionType] = {
    "operation": str | None,
    "account": str | None,
    "offset": int | None,
    "limit": int | None,
    "after": int,
    "times": int | None,
    "probability": int | float,
    "status": int,
    "body": str,
    "headers": dict,
    "retry_after": str | None,
    "seconds": int | float | None,
    "size": int,
    "rows": int,
    "keys": list,
    "variant": str,
    "value": int,
}


class Faults:
    """The rules in force, first match wins; chance is seeded. Safe across threads."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(f"{seed}/faults")
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._last_id = 0
        self.counts: Counter[str] = Counter()

    def add(self, kind: str, **options: Any) -> Rule:
        """Put one more rule in force; raises ValueError for what cannot be meant."""
        unknown = set(options) - set(_TYPES)
        if unknown:
            raise ValueError(f"unknown options {sorted(unknown)}; there are {sorted(_TYPES)}")
        operation = options.get("operation")
        if operation is not None and operation not in OPERATION_NAMES:
            raise ValueError(f"no operation {operation!r}; there are {sorted(OPERATION_NAMES)}")
        for name, value in options.items():
            if not isinstance(value, _TYPES[name]):
                raise ValueError(f"{name} must be {_TYPES[name]}, not {value!r}")  # noqa: TRY004 -- one error for all that cannot be meant
        rule = Rule(kind=Kind(kind), **options)
        with self._lock:
            self._last_id += 1
            rule.id = self._last_id
            self._rules.append(rule)
        return rule

    def remove(self, rule_id: int) -> bool:
        with self._lock:
            before = len(self._rules)
            self._rules = [rule for rule in self._rules if rule.id != rule_id]
            return len(self._rules) < before

    def clear(self) -> None:
        """No more rules; the counts stay."""
        with self._lock:
            self._rules.clear()

    def rules(self) -> list[Rule]:
        with self._lock:
            return list(self._rules)

    def describe(self) -> list[dict[str, Any]]:
        return [asdict(rule) for rule in self.rules()]

    def give_back(self, rule: Rule) -> None:
        """The rule could do nothing to what it hit (an empty page, an error): it has not hit."""
        with self._lock:
            rule.hits -= 1
            self.counts[rule.kind.value] -= 1

    def pick(self, operation: str, request: Request) -> Rule | None:
        """The rule that hits this request, counted."""
        with self._lock:
            for rule in self._rules:
                if rule.is_spent or not rule.matches(operation, request):
                    continue
                rule.seen += 1
                if rule.seen <= rule.after or self._rng.random() >= rule.probability:
                    continue
                rule.hits += 1
                self.counts[rule.kind.value] += 1
                return rule
            return None
