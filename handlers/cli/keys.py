"""The encryption keys: `rekey`."""

import argparse
import json
from typing import Any

from core.tokens.rekey import Rekeyed
from handlers import selling
from handlers.answers import EX_CONFIG, EX_TEMPFAIL
from handlers.cli.ready import opened


def register(commands: Any) -> None:
    what = "seal all that is stored sealed with the newest of ENCRYPTION_KEYS, beside runs"
    rekey = commands.add_parser("rekey", help=what, description=what)
    rekey.add_argument(
        "--discard-lost",
        action="store_true",
        help="forget tokens that no key opens; their accounts need `accounts reconnect`",
    )
    rekey.add_argument("--json", action="store_true", help="one JSON object on stdout")
    rekey.set_defaults(run=_rekey)


def _rekey(options: argparse.Namespace) -> int:
    with opened() as ready:
        rekeyed = selling.rekey_tokens(ready).run(discard_lost=options.discard_lost)
    if options.json:
        print(json.dumps(_as_json(rekeyed)))
    else:
        print("\n".join(_lines(rekeyed)))
    if rekeyed.lost or rekeyed.lost_places:
        return EX_CONFIG
    return 0 if rekeyed.complete else EX_TEMPFAIL


def _as_json(rekeyed: Rekeyed) -> dict[str, object]:
    return {
        "newest": rekeyed.newest,
        "resealed_accounts": rekeyed.resealed,
        "values": dict(rekeyed.values),
        "lost": list(rekeyed.lost),
        "discarded": list(rekeyed.discarded),
        "resealed_signing_keys": rekeyed.resealed_places,
        "lost_signing_keys": list(rekeyed.lost_places),
        "discarded_signing_keys": list(rekeyed.discarded_places),
        "earlier_runs": rekeyed.earlier_runs,
        "old_keys_removable": rekeyed.complete,
    }


def _lines(rekeyed: Rekeyed) -> list[str]:
    lines = [f"accounts sealed anew: {rekeyed.resealed}"]
    if rekeyed.resealed_places:
        lines.append(f"signing keys sealed anew: {rekeyed.resealed_places}")
    lines += [
        f"values sealed with {key}{' (the newest)' if key == rekeyed.newest else ''}: {count}"
        for key, count in rekeyed.values.items()
    ]
    lines += [f"{name}: forgotten; it needs `accounts reconnect`" for name in rekeyed.discarded]
    lines += [
        f"{place}: forgotten; another is made when it is needed"
        for place in rekeyed.discarded_places
    ]
    return [*lines, _verdict(rekeyed)]


def _verdict(rekeyed: Rekeyed) -> str:
    if rekeyed.lost or rekeyed.lost_places:
        lost = [f"the tokens of {name}" for name in rekeyed.lost]
        return (
            f"no key opens {', '.join([*lost, *rekeyed.lost_places])}. Put their key back into"
            " ENCRYPTION_KEYS and run `rekey` again, or forget them with `rekey --discard-lost`"
        )
    if rekeyed.others:
        return "somebody held some of them; run `rekey` again"
    if rekeyed.earlier_runs:
        return (
            f"runs still at work that began before: {rekeyed.earlier_runs}; they may seal with an"
            " older key. When they are over (`runs`), run `rekey` again: then it says that the"
            " older keys can go"
        )
    return (
        "no stored value needs an older key any more: when every place that calls Cronshot has"
        " the new ENCRYPTION_KEYS, take the older ones out"
    )
