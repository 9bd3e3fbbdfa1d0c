"""What eBay is to tell of an account: `notifications subscribe`, `list`, `test`."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from core.notifications.subscribe import TOPICS, TopicState
from handlers.cli.ready import opened
from handlers.cli.text import PROGRAM, as_typed, table
from handlers.subscriptions import subscribing


def register(commands: Any) -> None:
    what = "what eBay tells of an account at /webhooks/ebay (docs/webhooks.md)"
    actions = commands.add_parser("notifications", help=what, description=what).add_subparsers(
        required=True, metavar="ACTION"
    )
    _register_subscribe(actions)
    listing = actions.add_parser("list", help="what the account is subscribed to")
    listing.set_defaults(run=_list)
    test = actions.add_parser("test", help="have eBay send a made-up notification")
    test.add_argument("--topic", required=True, metavar="ORDER_CONFIRMATION")
    test.set_defaults(run=_test)
    for command in (listing, test):
        command.add_argument("--account", required=True, metavar="NAME")
        command.add_argument("--json", action="store_true", help="one JSON object on stdout")


def _register_subscribe(actions: Any) -> None:
    what = "register the endpoint where it is not yet, and subscribe the account"
    subscribe = actions.add_parser("subscribe", help=what, description=what)
    subscribe.add_argument("--account", required=True, metavar="NAME")
    subscribe.add_argument(
        "--topic", action="append", default=[], metavar="ORDER_CONFIRMATION",
        help=f"may be given more than once; default: {', '.join(TOPICS)}",
    )  # fmt: skip
    subscribe.add_argument(
        "--alert-email", metavar="ADDRESS",
        help="whom eBay writes to when the endpoint fails; it wants one before the first time",
    )  # fmt: skip
    subscribe.add_argument("--json", action="store_true", help="one JSON object on stdout")
    subscribe.set_defaults(run=_subscribe)


def _subscribe(options: argparse.Namespace) -> int:
    with opened() as ready, subscribing(ready, options.account) as account:
        states = account.subscribe(options.topic, options.alert_email)
    refused = any(each.state == "refused" for each in states)
    following = f"`{PROGRAM} notifications test --account {options.account} --topic TOPIC` tries it"
    if refused:
        following = (
            "a topic needs its scope in the owner's consent and on the keyset (docs/webhooks.md);"
            " without it nothing is missed, it only comes later"
        )
    _show(options, states, following)
    return 1 if refused else 0


def _list(options: argparse.Namespace) -> int:
    with opened() as ready, subscribing(ready, options.account) as account:
        states = account.states()
    _show(options, states, f"`{PROGRAM} notifications subscribe --account {options.account}` adds")
    return 0


def _test(options: argparse.Namespace) -> int:
    with opened() as ready, subscribing(ready, options.account) as account:
        account.test(options.topic)
    if options.json:
        print(json.dumps({"account": options.account, "topic": options.topic, "asked": True}))
    else:
        print(f"eBay sends {options.topic}; it shows in the table ebay.notifications in a moment")
    return 0


def _show(options: argparse.Namespace, states: Sequence[TopicState], following: str) -> None:
    if options.json:
        told = [asdict(each) for each in states]
        print(json.dumps({"account": options.account, "subscriptions": told}))
        return
    rows = [(each.topic, each.state, each.detail) for each in states]
    print(table(("topic", "state", "why"), rows))
    print(as_typed(following))
