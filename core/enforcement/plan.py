"""What is to be done for a judgment: the same whenever the same is known."""

from collections.abc import Sequence

from core.enforcement.model import Action, ActionType, Income, Intelligence, Strategy

SURE = 70
WORTH_IT = (Income.HIGH, Income.MED)


def actions(known: Intelligence | None) -> Sequence[Action]:
    """1. Nobody has looked: search, and ask under oath. 2. A letter in any case. 3. Ask where it is
    not sure. 4. Wages. 5. The account, unless it is exempt: then it is held. 6. Search where there
    is neither.
    """
    if known is None:
        return (
            Action(ActionType.ASSET_SEARCH, "nothing is known of the debtor"),
            Action(ActionType.INFORMATION_SUBPOENA, "nothing is known of the debtor"),
        )
    planned = [Action(ActionType.DEMAND_LETTER, "comes first in any case")]
    if known.confidence < SURE:
        planned.append(
            Action(
                ActionType.INFORMATION_SUBPOENA,
                f"what is known is {known.confidence} % sure, less than {SURE}",
            )
        )
    within_reach = [*_wages(known), *_account(known)]
    if not within_reach:
        planned.append(Action(ActionType.ASSET_SEARCH, "neither wages nor an account to reach"))
    return (*planned, *within_reach)


def _wages(known: Intelligence) -> Sequence[Action]:
    if known.employer and known.income in WORTH_IT:
        return (Action(ActionType.INCOME_EXECUTION, f"an employer, and {known.income} income"),)
    return ()


def _account(known: Intelligence) -> Sequence[Action]:
    if known.benefits_only:
        return (Action(ActionType.RESTRAINING_NOTICE, "an account with benefits only"),)
    if known.bank:
        return (Action(ActionType.BANK_LEVY, "an account that is not exempt"),)
    return ()


def strategy(known: Intelligence | None) -> Strategy:
    """The first that there is something for."""
    if known is None:
        return Strategy.SURVEILLANCE
    if known.employer:
        return Strategy.WAGE_GARNISHMENT
    if known.bank and not known.benefits_only:
        return Strategy.BANK_LEVY
    return Strategy.PROPERTY_LIEN if known.homeowner else Strategy.SURVEILLANCE
