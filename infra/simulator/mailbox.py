"""A seller's mailbox: messages from buyers and from eBay, answers to them, folders."""

from bisect import insort
from dataclasses import dataclass, field
from random import Random
from typing import Any

from infra.simulator.clock import iso
from infra.simulator.orders import DAY_MS, Shop

INBOX, SENT, ARCHIVE = 0, 1, 2
SHARED_MESSAGE_ID = "5882110"
_FOLDERS = {ARCHIVE: "Archive", 7: 'Fragen & Antworten "2026"'}
_KINDS = (
    "AskSellerQuestion",
    "ContactTransactionPartner",
    "ContactEbayMember",
    "ResponseToASQQuestion",
)
_UNKNOWN_KIND = "ContactFromTheFuture"
_TEXTS = (
    "Is it still available?",
    'Passt das auf ein 3/8" Gewinde? Grüße, Jürgen',
    "Where is my parcel?! It says <delivered> & I have nothing.",
    "✨ thank you ✨ 5/5 ]]> would buy again",
    "Bitte Rechnung mit MwSt. an meine Adresse.\nDanke\n\n-- \nMax",
)
_FEWEST, _MOST = 30, 1000


@dataclass(slots=True, kw_only=True)
class Message:
    """`is_gone`: the headers still show it, its text is deleted. `sent` never changes."""

    message_id: str
    external_id: str
    folder: int
    other: str
    sent: int
    text: str
    kind: str
    item: tuple[str, str] | None
    variety: int
    read: bool = False
    flagged: bool = False
    replied: bool = False
    is_gone: bool = False


@dataclass(slots=True)
class Mailbox:
    """`messages` in the order of their instant; `folders` beside Inbox and Sent."""

    owner: str
    offset: int
    shop: Shop
    rng: Random
    unknown: bool
    messages: list[Message] = field(default_factory=list)
    folders: dict[int, str] = field(default_factory=lambda: dict(_FOLDERS))
    count: int = 0

    def add(self, sent: int, folder: int | None = None) -> Message:
        """One more; where it lies is the seed's choice, or `folder`."""
        rng, number = self.rng, self.count
        self.count += 1
        variety = rng.getrandbits(32)
        item = rng.choice(self.shop.items)
        buyers = self.shop.buyers[rng.choice(sorted(self.shop.buyers))]
        message = Message(
            message_id=self._message_id(number),
            external_id=str(1_137_000_000 + number * 3 + self.offset),
            folder=self._folder(variety) if folder is None else folder,
            other=rng.choice(buyers).username,
            sent=sent,
            text=_TEXTS[number % len(_TEXTS)],
            kind=_kind(number, unknown=self.unknown),
            item=(item.item_id, item.facts["title"]) if number % 4 else None,
            variety=variety,
            read=variety % 3 > 0,
            flagged=variety % 11 == 0,
            replied=variety % 5 == 0,
            is_gone=variety % 37 == 4,
        )
        insort(self.messages, message, key=_sent)
        return message

    def by_id(self, message_id: str) -> Message | None:
        return next((each for each in self.messages if each.message_id == message_id), None)

    def mutate(self, now: int) -> None:
        """Somebody writes, or the seller reads, flags, answers, moves or deletes a message."""
        what = self.rng.randrange(6)
        if what == 0 or not self.messages:
            self.add(now)
            return
        message = self.rng.choice(self.messages)
        match what:
            case 1:
                message.read = not message.read
            case 2:
                message.flagged = not message.flagged
            case 3:
                message.replied = True
            case 4 if message.folder != SENT:
                message.folder = self.rng.choice([INBOX, *self.folders])
            case _:
                self.messages.remove(message)

    def _folder(self, variety: int) -> int:
        if variety % 10 < 6:
            return INBOX
        if variety % 10 < 9:
            return SENT
        # Every other seller has put nothing into his own folder yet.
        return list(_FOLDERS)[variety // 10 % 2] if self.offset % 2 == 0 else ARCHIVE

    def _message_id(self, number: int) -> str:
        if number == 0:
            return SHARED_MESSAGE_ID
        # An odd factor that 5 does not divide: no id comes twice.
        value = (number * 618_033_989 + self.offset * 271_828_183) % 10**11
        return f"{10**11 + value}"


def fill(box: Mailbox, orders: int, start: int, end: int) -> None:
    """About one message for each ten orders, from `start` up to `end`."""
    count = min(_MOST, max(_FEWEST, orders // 10))
    span = end - start
    for nth in range(count):
        box.add(start + int((nth + box.rng.random()) * span / count))


def header(message: Message, owner: str, *, unknown: bool) -> dict[str, Any]:
    """What ReturnHeaders gives, element by element, as JSON has it."""
    outgoing = message.folder == SENT
    fields: dict[str, Any] = {
        "Sender": owner if outgoing else message.other,
        "RecipientUserID": message.other if outgoing else owner,
        "SendToName": message.other if outgoing else owner,
        "Subject": _subject(message),
        "MessageID": message.message_id,
        "ExternalMessageID": message.external_id,
        "Flagged": _flag(message.flagged),
        "Read": _flag(message.read),
        "ReceiveDate": iso(message.sent),
        "ExpirationDate": iso(message.sent + 365 * DAY_MS),
    }
    if message.item:
        fields["ItemID"] = message.item[0]
    fields |= {
        "ResponseDetails": {
            "ResponseEnabled": _flag(not outgoing),
            "ResponseURL": f"http://contact.ebay.com/ws/eBayISAPI.dll?M2M&item={message.variety}",
        },
        "Folder": {"FolderID": str(message.folder)},
        "MessageType": message.kind,
        "Replied": _flag(message.replied),
    }
    if message.item:
        fields |= {"ItemEndTime": iso(message.sent + 20 * DAY_MS), "ItemTitle": message.item[1]}
    if unknown and message.variety % 6 == 1:
        fields |= {"SentimentScore": {"value": "0.75", "model": "m1"}, "Labels": ["a", "b"]}
    return fields


def whole(message: Message, owner: str, *, unknown: bool) -> dict[str, Any] | None:
    """What ReturnMessages gives; None for a message whose text is deleted."""
    if message.is_gone:
        return None
    html = f"<!DOCTYPE html><html><body><p>{message.text}</p>&nbsp;</body></html>"
    fields = header(message, owner, unknown=unknown) | {"Text": html, "Content": message.text}
    if message.variety % 9 == 2:
        media = {"MediaURL": "https://i.ebayimg.com/00/s/x.jpg?a=1&b=2", "MediaName": "x.jpg"}
        fields["MessageMedia"] = [media, media] if message.variety % 2 else media
    return fields


def _subject(message: Message) -> str:
    about = f" #{message.item[0]}" if message.item else ""
    return f"{message.other} sent a message about “{message.text[:20].strip()}”{about}"


def _kind(number: int, *, unknown: bool) -> str:
    return _UNKNOWN_KIND if unknown and number % 23 == 22 else _KINDS[number % len(_KINDS)]


def _flag(value: bool) -> str:  # noqa: FBT001 -- it is the value, not a switch
    return "true" if value else "false"


def _sent(message: Message) -> int:
    return message.sent
