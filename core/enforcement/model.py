"""What is known of a debtor, and what may be done for a judgment."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType, Protocol
from uuid import UUID

JudgmentId = NewType("JudgmentId", UUID)


class Income(StrEnum):
    HIGH = "HIGH"
    MED = "MED"
    LOW = "LOW"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intelligence:
    """`confidence`: 0 to 100. `benefits_only`: nothing comes to the account but what is exempt."""

    confidence: int
    employer: bool = False
    income: Income | None = None
    bank: bool = False
    benefits_only: bool = False
    homeowner: bool = False


class ActionType(StrEnum):
    ASSET_SEARCH = "asset_search"
    BANK_LEVY = "bank_levy"
    DEMAND_LETTER = "demand_letter"
    INCOME_EXECUTION = "income_execution"
    INFORMATION_SUBPOENA = "information_subpoena"
    RESTRAINING_NOTICE = "restraining_notice"


SIGNED = frozenset(
    {ActionType.BANK_LEVY, ActionType.INCOME_EXECUTION, ActionType.INFORMATION_SUBPOENA}
)
"""Not done before an attorney has signed them."""


@dataclass(frozen=True, slots=True)
class Action:
    type: ActionType
    because: str

    @property
    def needs_signature(self) -> bool:
        return self.type in SIGNED


class Strategy(StrEnum):
    WAGE_GARNISHMENT = "wage_garnishment"
    BANK_LEVY = "bank_levy"
    PROPERTY_LIEN = "property_lien"
    SURVEILLANCE = "surveillance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Of one judgment. `intelligence`: None where nobody has looked. `under_way`: planned actions,
    and pending ones.
    """

    intelligence: Intelligence | None = None
    under_way: AbstractSet[ActionType] = frozenset()


class Judgments(Protocol):
    def standing(self, judgment_id: JudgmentId) -> Standing | None:
        """None: there is no such judgment. Raises StoreUnavailableError."""
        ...
