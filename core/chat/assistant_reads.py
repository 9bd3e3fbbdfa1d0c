"""What the assistant tells: how things are, accounts, orders, money."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.accounts.model import Status
from core.chat.assistant_asks import DAY, Word, take_period, wrong
from core.chat.assistant_names import Names
from core.chat.assistant_ports import (
    AccountSeen,
    AccountsSeen,
    Facts,
    MoneySum,
    OrderSeen,
    OrderSum,
    Period,
    Suspects,
    Workers,
)
from core.chat.assistant_words import count, harmless, moment, money, some, within
from core.jobs.control import COUNTED, JobReader, QueueView
from core.runs.model import WorkerState
from core.streams.model import Word as State
from core.streams.ports import StreamStore
from core.streams.standing import Judge

MOST = 30
LISTED = 15
WORST_FIRST = (State.ACTION_REQUIRED, State.FAILING, State.LATE, State.NEVER, State.PAUSED)
SENTENCE = 200
WHY: Mapping[Status, str] = {
    Status.PAUSED: "/resume starts it",
    Status.NEEDS_RECONNECT: "eBay wants its owner's consent again: `accounts connect`",
    Status.DISCONNECTED: "`accounts connect` brings it back",
}
CANCELLED = "CANCELED"
SOON = 7 * DAY
IN_UTC = "Days are those of UTC."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    facts: Facts
    names: Names
    streams: StreamStore
    judge: Judge
    jobs: JobReader
    workers: Workers

    def status(self, words: Sequence[Word], now: datetime) -> str:
        if words:
            raise wrong("status")
        soon = now + SOON
        accounts = self.facts.accounts(soon, LISTED)
        suspects = self.facts.suspects(now, MOST)
        lines = [
            f"Status at {moment(now)}",
            f"Accounts: {_by_status(accounts)}",
            *(_account_trouble(each) for each in accounts.accounts if _asleep(each)),
            *(_consent_ends(each, now) for each in accounts.accounts if _ends(each, soon)),
            *self._streams(suspects),
            *_queues(self.jobs.queues()),
        ]
        workers = [_worker(each) for each in self.workers.workers()]
        return within([], lines, "`streams list` and `jobs dead`", foot=workers)

    def accounts(self, words: Sequence[Word], now: datetime) -> str:
        if words:
            raise wrong("accounts")
        seen = self.facts.accounts(now + SOON, MOST)
        total = sum(seen.by_status.values())
        if not total:
            return "There is no account yet; add one with `accounts add` or `accounts connect`."
        rows = [_account(each, now) for each in seen.accounts]
        head = [f"{count(total, 'account')}: {_by_status(seen)}"]
        return within(head, rows, "`accounts list`", more=total - len(rows))

    def orders(self, words: Sequence[Word], now: datetime) -> str:
        period, account = self._period_of_account(words, now, "today")
        seen = self.facts.orders(period, None if account is None else account.id, LISTED)
        head = [f"Orders made {_said(period)}{_of(account)}:"]
        if seen.too_many:
            return f"{head[0]} too many to add up here; ask for fewer days, or see `export orders`"
        if not seen.sums:
            return f"{head[0]} none. {IN_UTC}"
        total = sum(each.orders for each in seen.sums)
        head += [_order_sum(each) for each in seen.sums[:MOST]]
        head += _left_out(len(seen.sums), "`export orders`")
        more = total - len(seen.latest)
        rows = [_order(each) for each in seen.latest]
        return within([*head, "Latest first:"], rows, "`export orders`", more=more, foot=[IN_UTC])

    def money(self, words: Sequence[Word], now: datetime) -> str:
        period, account = self._period_of_account(words, now, "month")
        seen = self.facts.money(period, None if account is None else account.id, MOST + 1)
        head = f"Money {_said(period)}{_of(account)}:"
        if seen.too_many:
            return (
                f"{head} too much to add up here; ask for fewer days, or see `export order_money`"
            )
        if not seen.sums:
            return f"{head} none. {IN_UTC}"
        rows = ["\n".join(_money(each)) for each in seen.sums[:MOST]]
        more = len(seen.sums) - len(rows)
        return within([head], rows, "`export order_money`", more=more, foot=[IN_UTC])

    def _period_of_account(
        self, words: Sequence[Word], now: datetime, usual: str
    ) -> tuple[Period, AccountSeen | None]:
        found, rest = take_period(words, now)
        if found is None:
            found, _ = take_period([Word(usual)], now)
        assert found is not None
        return found, self.names.account([each for each in rest if each.low != "all"])

    def _streams(self, suspects: Suspects) -> Sequence[str]:
        """Those with one state and one reason on one line, the worst first."""
        if not suspects.read:
            return []
        groups = self._groups(suspects) if suspects.units else {}
        lines = [
            f"{label}: {some(units)}{_because(sentence)}"
            for worst in WORST_FIRST
            for (word, label, sentence), units in groups.items()
            if word is worst
        ]
        troubled = sum(len(units) for (word, _, _), units in groups.items() if word in WORST_FIRST)
        more = suspects.suspects - len(suspects.units)
        well = suspects.read - more - troubled
        if more:
            lines.append(f"… and {count(more, 'more stream')} to look at; see `streams list`")
        return [f"Streams: {well:,} of {suspects.read:,} are well", *lines]

    def _groups(self, suspects: Suspects) -> Mapping[tuple[State, str, str | None], list[str]]:
        wanted = set(suspects.units)
        accounts = list(dict.fromkeys(account for account, _ in suspects.units))
        streams = list(dict.fromkeys(stream for _, stream in suspects.units))
        found = self.streams.look(accounts, streams)
        groups: dict[tuple[State, str, str | None], list[str]] = {}
        for state in found.states:
            if (state.account, state.stream) in wanted:
                standing = self.judge.standing(state, found.worker, found.at)
                group = (standing.word, standing.label, standing.sentence)
                unit = f"{harmless(state.account)}/{state.stream}"
                groups.setdefault(group, []).append(unit)
        return groups


def _because(sentence: str | None) -> str:
    return "" if sentence is None else f". {harmless(sentence, SENTENCE)}"


def _by_status(seen: AccountsSeen) -> str:
    told = [
        f"{seen.by_status[each]:,} {_spoken(each)}" for each in Status if each in seen.by_status
    ]
    return ", ".join(told) or "none yet; `accounts add`"


def _spoken(word: str) -> str:
    return harmless(word.replace("_", " ").lower())


def _asleep(account: AccountSeen) -> bool:
    return account.status in {Status.PAUSED, Status.NEEDS_RECONNECT}


def _account_trouble(account: AccountSeen) -> str:
    return f"{harmless(account.name)}: {_spoken(account.status)}; {WHY[account.status]}"


def _ends(account: AccountSeen, soon: datetime) -> bool:
    ends_at = account.consent_ends_at
    return account.status is Status.ACTIVE and ends_at is not None and ends_at <= soon


def _consent_ends(account: AccountSeen, now: datetime) -> str:
    consent = _consent(account.consent_ends_at, now)
    return f"{harmless(account.name)}: {consent}; `accounts connect` renews it"


def _consent(ends_at: datetime | None, now: datetime) -> str:
    ended = ends_at is not None and ends_at <= now
    return f"consent {'ended' if ended else 'ends'} {moment(ends_at)}"


def _account(account: AccountSeen, now: datetime) -> str:
    parts = [f"{_spoken(account.status)} ({account.environment})"]
    if account.status_reason:
        parts.append(harmless(account.status_reason, SENTENCE))
    parts.append(f"last read {moment(account.last_success_at)}")
    if account.failing:
        parts.append(f"{count(account.failing, 'stream')} failing")
    if account.consent_ends_at is not None:
        parts.append(_consent(account.consent_ends_at, now))
    if account.status in WHY:
        parts.append(WHY[account.status])
    return f"{harmless(account.name)}: {', '.join(parts)}"


def _queues(queues: Sequence[QueueView]) -> Sequence[str]:
    counted = {
        word: sum(getattr(each, word) for each in queues)
        for word in ("due", "later", "processing", "waiting", "dead")
    }
    told = ", ".join(f"{_counted(number)} {word}" for word, number in counted.items())
    lines = [f"Jobs: {told}"]
    lines += [
        f"Queue {harmless(each.queue)}: {_why_closed(each)}; /resume queue {harmless(each.queue)}"
        for each in queues
        if each.tripped_at is not None or not each.enabled
    ]
    if counted["dead"]:
        lines.append("Dead jobs need a person: /retry lists them")
    return lines


def _why_closed(queue: QueueView) -> str:
    if queue.tripped_at is None:
        return "paused"
    return f"stopped itself at {moment(queue.tripped_at)} after ten failures in a row"


def _counted(number: int) -> str:
    """Nothing counts a million rows."""
    return f"{number:,}{'+' if number >= COUNTED else ''}"


def _worker(worker: WorkerState) -> str:
    last = "no run yet"
    if worker.outcome is not None:
        reason = "" if worker.reason is None else f" ({worker.reason})"
        last = f"last run {worker.outcome}{reason} at {moment(worker.finished_at)}"
    state = worker.status if worker.enabled else "paused"
    return f"{worker.worker}: {state}, {last}"


def _said(period: Period) -> str:
    first, last = period.since.date(), (period.until - DAY).date()
    dates = f"{first}" if first == last else f"{first} to {last}"
    return dates if period.name[:4].isdigit() else f"{period.name} ({dates})"


def _of(account: AccountSeen | None) -> str:
    return "" if account is None else f", {harmless(account.name)}"


def _left_out(number: int, see: str) -> Sequence[str]:
    return [f"… and {number - MOST} more sums; see {see}"] if number > MOST else []


def _amount(value: Decimal | None, currency: str | None) -> str:
    return "no total" if value is None else money(value, currency)


def _order_sum(each: OrderSum) -> str:
    total = _amount(each.total, each.currency)
    told = f"{harmless(each.account)}: {count(each.orders, 'order')}, {total}"
    if not each.cancelled:
        return told
    cancelled = _amount(each.cancelled_total, each.currency)
    return f"{told}; {each.cancelled:,} of them cancelled ({cancelled})"


def _order(order: OrderSeen) -> str:
    title = "" if order.title is None else f": {harmless(order.title)}"
    more = f" and {count(order.lines - 1, 'other item')}" if order.lines > 1 else ""
    parts = [
        f"{moment(order.at)} {harmless(order.order_id)}",
        harmless(order.account),
        _amount(order.total, order.currency),
        _order_state(order),
    ]
    return f"{', '.join(parts)}{title}{more}"


def _order_state(order: OrderSeen) -> str:
    if order.cancel_state == CANCELLED:
        return "cancelled"
    return " and ".join(_spoken(each) for each in (order.payment, order.fulfillment) if each)


def _money(each: MoneySum) -> Sequence[str]:
    def of(value: Decimal) -> str:
        return money(value, each.currency)

    others = (
        ("shipping labels", each.shipping_labels),
        ("held for disputes", each.disputes),
        ("other", each.other),
    )
    return [
        (f"{harmless(each.account)}: sales {of(each.gross)}, fees {of(each.fees)},"
        f" refunds {of(each.refunds)}, net {of(each.net)}"),
        *([f"  {', '.join(f'{what} {of(value)}' for what, value in others if value)}"]
          * any(value for _, value in others)),
        f"  {count(each.payouts, 'payout')} arrived, {of(each.paid_out)}"
        + (f"; on their way {of(each.coming)}" if each.coming else ""),
    ]  # fmt: skip
