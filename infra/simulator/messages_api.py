"""GetMyMessages: folders, headers by folder and instant, texts of ten messages at most."""

from datetime import datetime
from xml.etree.ElementTree import Element

from infra.simulator.accounts import Account
from infra.simulator.clock import to_ms
from infra.simulator.mailbox import INBOX, SENT, Mailbox, Message, header, whole
from infra.simulator.trading import CallRefusedError, text, texts
from infra.simulator.world import World
from infra.simulator.xml_text import elements

_MOST_IDS = 10
_DEFAULT_ENTRIES, _MOST_ENTRIES = 25, 200


def get_my_messages(world: World, account: Account, asked: Element) -> str:
    """What stands in the answer after its head; raises CallRefusedError."""
    box = account.mailbox
    for _ in range(world.behaviour.mail_changes_per_request):
        box.mutate(world.clock.now_ms())
    match text(asked, "DetailLevel"):
        case "ReturnSummary":
            return _summary(world, box)
        case "ReturnHeaders" | "ReturnMessages" as level:
            return _messages(world, box, asked, with_text=level == "ReturnMessages")
        case other:
            raise CallRefusedError(10009, f"The detail level {other!r} is missing or invalid.")


def _summary(world: World, box: Mailbox) -> str:
    """Inbox and Sent are not listed, eBay says; its own sample lists them."""
    names = dict(box.folders)
    if world.behaviour.summary_names_inbox:
        names = {INBOX: "Inbox", SENT: "Sent"} | names
    folders = [
        {
            "FolderID": str(number),
            "FolderName": name,
            "NewMessageCount": str(sum(not each.read for each in _in(box, number))),
            "TotalMessageCount": str(len(_in(box, number))),
        }
        for number, name in names.items()
    ]
    counts = {
        "NewMessageCount": str(sum(not each.read for each in box.messages)),
        "FlaggedMessageCount": str(sum(each.flagged for each in box.messages)),
        "TotalMessageCount": str(len(box.messages)),
    }
    return elements({"Summary": {"FolderSummary": folders, **counts}})


def _in(box: Mailbox, folder: int) -> list[Message]:
    return [each for each in box.messages if each.folder == folder]


def _messages(world: World, box: Mailbox, asked: Element, *, with_text: bool) -> str:
    ids = texts(asked, "MessageIDs/MessageID")
    if len(ids) > _MOST_IDS:
        raise CallRefusedError(20118, f"{len(ids)} message ids were given; 10 are allowed.")
    unknown = world.behaviour.unknown_fields
    found = _by_id(box, ids) if ids else _page(world, box, asked)
    shown = []
    for message in found:
        write = whole if with_text else header
        fields = write(message, box.owner, unknown=unknown)
        if fields is not None:
            padded = elements(fields, padded=message.variety % 7 == 1)
            shown.append(f"<Message>{padded}</Message>")
    return f"<Messages>{''.join(shown)}</Messages>" if shown else "<Messages/>"


def _by_id(box: Mailbox, ids: list[str]) -> list[Message]:
    return [message for message in map(box.by_id, ids) if message]


def _page(world: World, box: Mailbox, asked: Element) -> list[Message]:
    """Newest first, both ends included; nothing tells that there are more pages."""
    start, end = (_instant(asked, name) for name in ("StartTime", "EndTime"))
    folder = text(asked, "FolderID")
    listed = [
        message
        for message in reversed(box.messages)
        if (not folder or str(message.folder) == folder)
        and (start is None or message.sent >= start)
        and (end is None or message.sent <= end)
    ]
    size = int(text(asked, "Pagination/EntriesPerPage") or _DEFAULT_ENTRIES)
    size = min(size, world.behaviour.message_headers_per_page or _MOST_ENTRIES)
    number = int(text(asked, "Pagination/PageNumber") or 1)
    return listed[(number - 1) * size : number * size]


def _instant(asked: Element, name: str) -> int | None:
    given = text(asked, name)
    try:
        return to_ms(datetime.fromisoformat(given)) if given else None
    except ValueError as cause:
        raise CallRefusedError(20120, f"{name} is no instant: {given!r}") from cause
