"""The keys of message signatures: `signing-key show|renew`."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from core.report import instant
from core.signing.model import Cipher, KnownKey, Owner
from core.sync.model import Environment
from handlers import selling
from handlers.cli.ready import opened
from handlers.cli.text import PROGRAM, as_typed, moment, table
from handlers.opening import Opened
from handlers.signing import RENEWAL_S, key_management, renew_signing_key, signing_keys

NONE_YET = (
    "There is no signing key yet. One is had from eBay by itself when the first call is to be"
    " signed: of a seller domiciled in the EU or the UK, or of one of whom eBay demands it."
)


def register(commands: Any) -> None:
    what = "the keys that sign calls for sellers of the EU and the UK"
    group = commands.add_parser("signing-key", help=what, description=what)
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    what = "the stored keys, until when they are good, and who signs with them"
    show = actions.add_parser("show", help=what, description=what)
    show.add_argument("--ebay", action="store_true", help="ask eBay too which keys it knows")
    show.add_argument("--json", action="store_true", help="one JSON object on stdout")
    show.set_defaults(run=_show)
    what = "have eBay make another key now; the old one stays good at eBay until its end"
    renew = actions.add_parser("renew", help=what, description=what)
    renew.add_argument("--environment", required=True, choices=[each.value for each in Environment])
    renew.add_argument(
        "--cipher", choices=[each.value for each in Cipher],
        help="ED25519, or RSA; default: as the old one, which is ED25519 unless you chose RSA",
    )  # fmt: skip
    renew.set_defaults(run=_renew)


def _show(options: argparse.Namespace) -> int:
    with opened() as ready:
        signing = [
            each for each in selling.account_store(ready).list() if each.signed_because is not None
        ]
        found = signing_keys(ready)
        asked = _asked(ready, found) if options.ebay else {}
    who = {
        environment: [each.name for each in signing if each.environment == environment]
        for environment in {each.environment for each in signing}
    }
    if options.json:
        rows = [
            _as_json(each, asked.get(each.owner), who.get(each.owner.environment, []))
            for each in found
        ]
        print(json.dumps({"signing_keys": rows, "signing_accounts": who}))
        return 0
    print(_table(found) if found else NONE_YET)
    for each in found:
        print("\n".join(_remarks(each, asked.get(each.owner))))
    for environment, names in sorted(who.items()):
        print(f"accounts of {environment} that sign: {', '.join(names)}")
    return 0


def _asked(ready: Opened, found: Sequence[KnownKey]) -> dict[Owner, tuple[bool, int]]:
    """Whether eBay knows the stored key, and how many others it knows."""
    asked = {}
    with key_management(ready) as ebay:
        for each in found:
            ids = ebay.list(each.owner.environment, timeout=RENEWAL_S)
            ours = None if each.state.key is None else each.state.key.key_id
            asked[each.owner] = (ours in ids, len([one for one in ids if one != ours]))
    return asked


def _table(found: Sequence[KnownKey]) -> str:
    head = ("environment", "application", "key", "cipher", "made", "good until", "renewed from")
    rows = []
    for each in found:
        key = each.state.key
        rows.append(
            (
                each.owner.environment,
                each.owner.client_id,
                "none yet" if key is None else key.key_id,
                "" if key is None else key.cipher,
                "" if key is None else moment(key.created_at),
                "" if key is None else moment(key.expires_at),
                "" if key is None else moment(key.renewal_at()),
            )
        )
    return table(head, rows)


def _remarks(known: KnownKey, at_ebay: tuple[bool, int] | None) -> list[str]:
    state, environment = known.state, known.owner.environment
    lines = []
    if known.making:
        lines.append(f"{environment}: a run is having a key made just now")
    if state.last_error is not None:
        retry = f"; it is tried again after {moment(state.retry_at)}"
        lines.append(f"{environment}: the last try failed: {state.last_error}{retry}")
    if at_ebay is None:
        return lines
    ours, others = at_ebay
    if state.key is not None and not ours:
        command = as_typed(f"{PROGRAM} signing-key renew --environment {environment}")
        lines.append(f"{environment}: eBay does not know this key; `{command}` has it make another")
    elif state.key is not None:
        lines.append(f"{environment}: eBay knows this key")
    if others:
        lines.append(
            f"{environment}: eBay knows {others} more, which nobody here can sign with: keys that"
            " were renewed, made elsewhere, or for a run that was killed before it could store"
            " them. eBay deletes none; they end by themselves after three years"
        )
    return lines


def _as_json(
    known: KnownKey, at_ebay: tuple[bool, int] | None, accounts: Sequence[str]
) -> dict[str, object]:
    key = known.state.key
    return {
        "environment": known.owner.environment,
        "client_id": known.owner.client_id,
        "key_id": None if key is None else key.key_id,
        "cipher": None if key is None else key.cipher,
        "created_at": None if key is None else instant(key.created_at),
        "expires_at": None if key is None else instant(key.expires_at),
        "renewal_at": None if key is None else instant(key.renewal_at()),
        "last_error": known.state.last_error,
        "retry_at": instant(known.state.retry_at),
        "known_to_ebay": None if at_ebay is None else at_ebay[0],
        "others_at_ebay": None if at_ebay is None else at_ebay[1],
        "accounts": list(accounts),
    }


def _renew(options: argparse.Namespace) -> int:
    with opened() as ready:
        renew_signing_key(ready, options.environment, options.cipher)
    show = as_typed(f"{PROGRAM} signing-key show")
    print(f"{options.environment}: eBay has made a new signing key; `{show}` shows it")
    return 0
