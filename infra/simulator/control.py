"""`/_simulator/…`: the simulator's own endpoints, JSON in and out; see `server`."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from infra.simulator import journal, truth
from infra.simulator.accounts import Account
from infra.simulator.answers import Answer, Request, json_answer
from infra.simulator.behaviour import Behaviour
from infra.simulator.clock import iso
from infra.simulator.faults import Faults
from infra.simulator.journal import Journal
from infra.simulator.notifier import Notifier
from infra.simulator.oauth import TokenDesk
from infra.simulator.quotas import Quotas
from infra.simulator.world import World

PREFIX = "/_simulator"
_SWITCHES = frozenset(each.name for each in fields(Behaviour))
_MAY_BE_NONE = frozenset({"offset_ceiling", "my_ebay_page_size", "accept_url", "declined_url"})
_CHANGES_LOOKS = frozenset({"unknown_fields", "unknown_enums"})


@dataclass(frozen=True, slots=True)
class Control:
    world: World
    faults: Faults
    journal: Journal
    quotas: Quotas
    desk: TokenDesk
    notifier: Notifier

    def answer(self, request: Request) -> Answer:
        """404 for an unknown door; 400, with the reason, for what cannot be done."""
        path = request.path.removeprefix(PREFIX)
        door = _DOORS.get((request.method, path))
        if door is None:
            known = sorted(f"{method} {PREFIX}{name}" for method, name in _DOORS)
            return json_answer(
                404, {"error": f"no {request.method} {request.path}", "doors": known}
            )
        try:
            given = json.loads(request.body) if request.body else {}
            result = door(self, request, given)
        except (KeyError, TypeError, ValueError) as cause:
            return json_answer(400, {"error": f"{type(cause).__name__}: {cause}"})
        return result if isinstance(result, Answer) else json_answer(200, result)


Given = Mapping[str, Any]


def _state(control: Control, _request: Request, _given: Given) -> Any:
    world = control.world
    with world.lock:
        return {
            "seed": world.seed,
            "world_now": iso_of(world.now),
            "now": iso(world.clock.now_ms()),
            "behaviour": asdict(world.behaviour),
            "accounts": [_describe(account) for account in world.accounts],
            "quotas": control.quotas.counts(),
            "requests": len(control.journal),
            "faults": dict(control.faults.counts),
        }


def iso_of(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _describe(account: Account) -> dict[str, Any]:
    ledger = account.ledger
    return {
        "name": account.name,
        "username": account.username,
        "user_id": account.user_id,
        "marketplace_id": account.market.marketplace_id,
        "country": account.country,
        "refresh_token": account.refresh_token,
        "revoked": account.revoked,
        "scopes": sorted(account.scopes),
        "orders": len(ledger.orders),
        "transactions": len(ledger.transactions),
        "payouts": len(ledger.payouts),
    }


def _requests(control: Control, request: Request, _given: Given) -> Any:
    entries = control.journal.entries(
        operation=request.get("operation"),
        account=request.get("account"),
        since=int(request.get("since") or 0),
    )
    return {"requests": journal.describe(entries)}


def _clear_requests(control: Control, _request: Request, _given: Given) -> Any:
    control.journal.clear()
    return {}


def _list_faults(control: Control, _request: Request, _given: Given) -> Any:
    return {"faults": control.faults.describe(), "counts": dict(control.faults.counts)}


def _add_fault(control: Control, _request: Request, given: Given) -> Any:
    return asdict(control.faults.add(**given))


def _clear_faults(control: Control, request: Request, _given: Given) -> Any:
    number = request.get("id")
    if number is None:
        control.faults.clear()
        return {}
    if not control.faults.remove(int(number)):
        raise ValueError(f"no fault {number}")
    return {}


def _clock(control: Control, _request: Request, given: Given) -> Any:
    moved = control.world.clock.shift(timedelta(seconds=given.get("shift_s", 0)))
    return {"now": iso_of(moved)}


def _behaviour(control: Control, _request: Request, given: Given) -> Any:
    unknown = set(given) - _SWITCHES
    if unknown:
        raise ValueError(f"unknown switches {sorted(unknown)}; there are {sorted(_SWITCHES)}")
    behaviour = control.world.behaviour
    with control.world.lock:
        for name, value in given.items():
            _switch(behaviour, name, value)
        if _CHANGES_LOOKS & set(given):
            control.world.redraw()
        return asdict(behaviour)


def _switch(behaviour: Behaviour, name: str, value: Any) -> None:
    if name == "quota_limits":
        # The quotas read this very dictionary.
        behaviour.quota_limits.update(value)
    elif isinstance(getattr(behaviour, name), StrEnum):
        setattr(behaviour, name, type(getattr(behaviour, name))(value))
    elif name in _MAY_BE_NONE or isinstance(value, type(getattr(behaviour, name))):
        setattr(behaviour, name, value)
    else:
        raise ValueError(f"{name} cannot be {value!r}")


def _mutate(control: Control, _request: Request, given: Given) -> Any:
    """`what`: see `_CHANGES`; `order_id` names the one to modify."""
    world, what = control.world, given.get("what", "any")
    account = world.account(given["account"])
    if what not in _CHANGES:
        raise ValueError(f"cannot {what!r}; can {', '.join(_CHANGES)}")
    with world.lock:
        for _ in range(given.get("count", 1)):
            _CHANGES[what](world, account, given)
        return _describe(account)


def _modify(world: World, account: Account, given: Given) -> None:
    if "order_id" in given:
        world.life.modify(account, account.ledger.by_id[given["order_id"]])
    else:
        world.life.modify_any(account)


_CHANGES: dict[str, Callable[[World, Account, Given], object]] = {
    "any": lambda world, account, _: world.life.mutate(account),
    "modify": _modify,
    "sell": lambda world, account, _: world.life.sell(account),
    "pay_out": lambda world, account, _: world.life.pay_out(account),
    "dispute": lambda world, account, _: world.life.dispute(account),
    "argue": lambda world, account, _: world.life.argue(account),
    "inventory": lambda world, account, _: world.life.restock(account),
    "stock": lambda world, account, _: world.stock(account).mutate(world.clock.now_ms()),
    "mail": lambda world, account, _: account.mailbox.mutate(world.clock.now_ms()),
    "offer": lambda world, account, _: account.offers.mutate(world.clock.now_ms()),
    "basket": lambda world, account, _: world.basket(account).mutate(world.clock.now_ms()),
}


def _account(control: Control, _request: Request, given: Given) -> Any:
    account = control.world.account(given["account"])
    with control.world.lock:
        if "revoked" in given:
            account.revoked = bool(given["revoked"])
        if "scopes" in given:
            account.scopes = set(given["scopes"])
        for scope in given.get("without_scopes", ()):
            account.scopes.discard(scope)
        if "country" in given:
            account.country = str(given["country"])
        if given.get("expire_tokens"):
            control.desk.end_tokens(account)
        return _describe(account)


def _code(control: Control, _request: Request, given: Given) -> Any:
    account = control.world.account(given["account"])
    return {"code": control.desk.authorization_code(account)}


def _quota(control: Control, _request: Request, given: Given) -> Any:
    with control.world.lock:
        if "limit" in given:
            control.world.behaviour.quota_limits[given["resource"]] = int(given["limit"])
        if "count" in given:
            control.quotas.set_count(given["resource"], int(given["count"]))
        return control.quotas.counts()


def _notify(control: Control, _request: Request, given: Given) -> Any:
    """`data` as eBay writes it, or the `account` whose latest is told of."""
    notifier = control.notifier
    notifier.register(given["endpoint"], given["word"])
    topic, data = given["topic"], given.get("data")
    if data is None:
        with control.world.lock:
            data = notifier.about(control.world.account(given["account"]), topic)
    notification_id = notifier.new_id()
    statuses = notifier.send(topic, data, notification_id=notification_id)
    return {"notification_id": notification_id, "statuses": statuses}


def _transactions(control: Control, _request: Request, given: Given) -> Any:
    start, end = (datetime.fromisoformat(given[name]) for name in ("from", "to"))
    control.world.add_transactions(given["account"], int(given["count"]), start, end)
    return _describe(control.world.account(given["account"]))


def _truth(control: Control, request: Request, _given: Given) -> Answer:
    """JSON lines; `form=digest` for a digest in place of each row."""
    account = control.world.account(request.get("account") or "")
    kind = request.get("kind") or "orders"
    digests = request.get("form") == "digest"
    lines = truth.lines(control.world, account, kind, digests=digests)
    return Answer(200, b"".join(lines), "application/x-ndjson")


_DOORS: dict[tuple[str, str], Callable[[Control, Request, Given], Any]] = {
    ("GET", "/state"): _state,
    ("GET", "/requests"): _requests,
    ("DELETE", "/requests"): _clear_requests,
    ("GET", "/faults"): _list_faults,
    ("POST", "/faults"): _add_fault,
    ("DELETE", "/faults"): _clear_faults,
    ("POST", "/clock"): _clock,
    ("POST", "/behaviour"): _behaviour,
    ("POST", "/mutate"): _mutate,
    ("POST", "/account"): _account,
    ("POST", "/authorization_code"): _code,
    ("POST", "/quota"): _quota,
    ("POST", "/notify"): _notify,
    ("POST", "/transactions"): _transactions,
    ("GET", "/truth"): _truth,
}
