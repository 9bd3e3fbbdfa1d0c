"""What buyer and seller argue about: returns, inquiries, cases, cancellations, and their stages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from infra.simulator.orders import DAY_MS, HOUR_MS, SECOND_MS, Order

SHARED_ID = 5_000_000_001


class Kind(StrEnum):
    """Named like the streams."""

    CASES = "cases"
    INQUIRIES = "inquiries"
    RETURNS = "returns"
    CANCELLATIONS = "cancellations"


# (state, status) of each stage, the last one final. Cases and inquiries show the status only.
_PATHS: Mapping[Kind, Sequence[Sequence[tuple[str, str]]]] = {
    Kind.CASES: (
        (("OPEN", "OPEN"), ("OPEN", "WAITING_CS"), ("CLOSED", "CS_CLOSED")),
        (("OPEN", "OPEN"), ("OPEN", "ON_HOLD"), ("CLOSED", "CLOSED")),
    ),
    Kind.INQUIRIES: (
        (
            ("OPEN", "WAITING_SELLER_RESPONSE"),
            ("OPEN", "WAITING_BUYER_RESPONSE"),
            ("CLOSED", "CLOSED"),
        ),
        (
            ("OPEN", "WAITING_SELLER_RESPONSE"),
            ("ESCALATED", "PENDING"),
            ("CLOSED", "CLOSED_WITH_ESCALATION"),
        ),
    ),
    Kind.RETURNS: (
        (
            ("RETURN_REQUESTED", "RETURN_REQUESTED"),
            ("ITEM_READY_TO_SHIP", "READY_FOR_SHIPPING"),
            ("ITEM_SHIPPED", "ITEM_SHIPPED"),
            ("ITEM_DELIVERED", "ITEM_DELIVERED"),
            ("CLOSED", "CLOSED"),
        ),
        (
            ("REPLACEMENT_REQUESTED", "REPLACEMENT_REQUESTED"),
            ("REPLACEMENT_SHIPPED", "REPLACEMENT_SHIPPED"),
            ("CLOSED", "CLOSED"),
        ),
    ),
    Kind.CANCELLATIONS: (
        (
            ("APPROVAL_PENDING", "CANCEL_REQUESTED"),
            ("REFUND_PENDING", "CANCEL_PENDING"),
            ("CLOSED", "CANCEL_CLOSED_WITH_REFUND"),
        ),
        (("APPROVAL_PENDING", "CANCEL_REQUESTED"), ("CLOSED", "CANCEL_REJECTED")),
    ),
}
# Of so many orders in a thousand.
_SHARES = {Kind.RETURNS: 45, Kind.CANCELLATIONS: 25, Kind.INQUIRIES: 20, Kind.CASES: 10}


@dataclass(slots=True)
class Claim:
    """`created` never changes; `stage` does. `changes` are the instants of all stages so far.

    `hidden_from_the_start`: its search has never shown it. `forgotten`: eBay has no details of it.
    """

    kind: Kind
    claim_id: int
    order: Order
    created: int
    variety: int
    changes: list[int] = field(default_factory=list)
    hidden_from_the_start: bool = False
    forgotten: bool = False

    @property
    def path(self) -> Sequence[tuple[str, str]]:
        paths = _PATHS[self.kind]
        # One in three takes the rarer way.
        return paths[1 if self.variety % 3 == 0 else 0]

    @property
    def stage(self) -> int:
        return len(self.changes)

    @property
    def state(self) -> str:
        return self.path[self.stage][0]

    @property
    def status(self) -> str:
        return self.path[self.stage][1]

    @property
    def is_final(self) -> bool:
        return self.stage == len(self.path) - 1

    @property
    def is_escalated(self) -> bool:
        """The search for inquiries leaves these out."""
        return self.kind is Kind.INQUIRIES and self.stage > 0 and self.variety % 3 == 0

    @property
    def modified(self) -> int:
        return self.changes[-1] if self.changes else self.created

    @property
    def requestor(self) -> str:
        """Who asked for a cancellation."""
        return "BUYER" if self.variety % 5 < 3 else "SELLER"

    def move_on(self, at: int) -> None:
        if not self.is_final:
            self.changes.append(max(at, self.modified + SECOND_MS))


@dataclass(slots=True)
class Claims:
    """All of one account. Those of each kind stand in the order of their instants."""

    index: int
    rng: Random
    by_kind: dict[Kind, list[Claim]] = field(default_factory=lambda: {kind: [] for kind in Kind})
    _given: int = 0
    _unfinished: list[Claim] = field(default_factory=list)

    def open(self, kind: Kind, order: Order, created: int) -> Claim:
        claim = Claim(kind, self._next_id(kind), order, created, self.rng.getrandbits(32))
        claims = self.by_kind[kind]
        claims.append(claim)
        claims.sort(key=lambda each: each.created)
        self._unfinished.append(claim)
        return claim

    def find(self, kind: Kind, claim_id: str) -> Claim | None:
        return next((each for each in self.by_kind[kind] if str(each.claim_id) == claim_id), None)

    def unfinished(self) -> list[Claim]:
        """In the order of their opening."""
        self._unfinished = [each for each in self._unfinished if not each.is_final]
        return list(self._unfinished)

    def _next_id(self, kind: Kind) -> int:
        if not self.by_kind[kind]:
            return SHARED_ID
        self._given += 1
        return SHARED_ID + 10**8 + self.index * 10**7 + self._given


def make_claims(rng: Random, index: int, orders: Sequence[Order], end: int) -> Claims:
    """One of each kind about the first order, then about some of the others; as of `end`."""
    claims = Claims(index, rng)
    for order in orders[:1]:
        for kind in Kind:
            _age(claims.open(kind, order, min(order.created + 6 * HOUR_MS, end)), end)
    for order in orders[1:]:
        chosen = _kind_of(rng.randrange(1000))
        created = order.created + 2 * DAY_MS + rng.randrange(12 * DAY_MS)
        if chosen and created < end:
            _age(claims.open(chosen, order, created), end)
    return claims


def _kind_of(chance: int) -> Kind | None:
    for kind, share in _SHARES.items():
        chance -= share
        if chance < 0:
            return kind
    return None


def _age(claim: Claim, end: int) -> None:
    """A stage takes some days; one claim in eleven is never settled."""
    pace = (2 + claim.variety % 4) * DAY_MS
    stages = len(claim.path) - (2 if claim.variety % 11 == 0 else 1)
    for number in range(1, stages + 1):
        if claim.created + number * pace <= end:
            claim.move_on(claim.created + number * pace)
    claim.hidden_from_the_start = claim.is_escalated
