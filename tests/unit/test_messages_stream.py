"""Which calls bring a mailbox, and what becomes of their answers."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
import respx

from core.errors import AppError, BadAnswerError, RateLimitedError, UpstreamUnavailableError
from core.sync.model import Page
from infra.ebay.answer import Answer
from infra.ebay.client import EbayHttp
from infra.ebay.hosts import EbayHosts
from infra.ebay.stream_api import Ebay
from infra.ebay.streams.messages import MESSAGES
from infra.ebay.trading_xml import NAMESPACE
from tests.support.ebay import TOKEN, account, clock, query
from tests.support.ebay_shared import trading_sample
from tests.support.sync_fakes import FakeClock

BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
DAY = datetime(2026, 2, 27, tzinfo=UTC)


def answer(inside: str, ack: str = "Success", name: str = "GetMyMessagesResponse") -> str:
    return f'<{name} xmlns="{NAMESPACE}"><Ack>{ack}</Ack>{inside}</{name}>'


def message(message_id: object, folder: str | None = "0", more: str = "") -> str:
    place = "" if folder is None else f"<Folder><FolderID>{folder}</FolderID></Folder>"
    return f"<Message><MessageID>{message_id}</MessageID>{place}{more}</Message>"


def failure(code: int, ack: str = "Failure") -> str:
    return answer(
        "<Errors><LongMessage>Not today.</LongMessage>"
        f"<ErrorCode>{code}</ErrorCode><SeverityCode>Error</SeverityCode></Errors>",
        ack,
    )


@dataclass
class Mailbox:
    """An eBay whose folders hold these ids; `page` is the most that it shows at once."""

    folders: Mapping[str, Sequence[object]] = field(default_factory=dict)
    page: int = 200
    places: bool = True
    repeats_its_end: bool = False
    names_all: bool = False
    instead: Mapping[int, httpx.Response] = field(default_factory=dict)
    asked: list[ET.Element] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["x-ebay-api-call-name"] == "GetMyMessages"
        self.asked.append(_bare(ET.fromstring(request.content)))
        if len(self.asked) in self.instead:
            return self.instead[len(self.asked)]
        return httpx.Response(200, text=self._answer(self.asked[-1]))

    def _answer(self, asked: ET.Element) -> str:
        match asked.findtext("DetailLevel"):
            case "ReturnSummary":
                told = "".join(
                    f"<FolderSummary><FolderID>{folder}</FolderID>"
                    f"<TotalMessageCount>{len(ids)}</TotalMessageCount></FolderSummary>"
                    for folder, ids in self.folders.items()
                    if folder not in {"0", "1"} or self.names_all
                )
                return answer(f"<Summary>{told}</Summary>")
            case "ReturnMessages":
                ids = [each.text for each in asked.iterfind("MessageIDs/MessageID")]
                told = "".join(
                    message(each, more=f"<Text>text of {each}</Text>")
                    for each in reversed(ids)
                    if each != "gone"
                )
                return answer(f"<Messages>{told}</Messages>")
            case _:
                return answer(f"<Messages>{self._page(asked)}</Messages>")

    def _page(self, asked: ET.Element) -> str:
        folder = asked.findtext("FolderID") or ""
        size = min(self.page, int(asked.findtext("Pagination/EntriesPerPage") or 25))
        number = int(asked.findtext("Pagination/PageNumber") or 1)
        ids = self.folders.get(folder, ())
        if self.repeats_its_end:
            number = max(1, min(number, -(-len(ids) // size)))
        shown = ids[(number - 1) * size : number * size]
        return "".join(message(each, folder if self.places else None) for each in shown)

    @property
    def calls(self) -> list[str]:
        """Each as `summary`, `folder/page` or the ids whose text was asked for."""
        return [_told(asked) for asked in self.asked]


def _bare(element: ET.Element) -> ET.Element:
    for each in element.iter():
        each.tag = each.tag.rpartition("}")[2]
    return element


def _told(asked: ET.Element) -> str:
    level = asked.findtext("DetailLevel")
    if level == "ReturnSummary":
        return "summary"
    if level == "ReturnMessages":
        return " ".join(each.text or "" for each in asked.iterfind("MessageIDs/MessageID"))
    return f"{asked.findtext('FolderID')}/{asked.findtext('Pagination/PageNumber')}"


@pytest.fixture
def ebay() -> Iterator[Ebay]:
    http = EbayHttp()
    yield Ebay(http=http, hosts=EbayHosts(), clock=clock())
    http.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Mailbox], Mailbox]]:
    with respx.mock(assert_all_called=False) as router:

        def served(mailbox: Mailbox) -> Mailbox:
            router.post("https://api.ebay.com/ws/api.dll").mock(side_effect=mailbox)
            return mailbox

        yield served


Serve = Callable[[Mailbox], Mailbox]


def fetch(ebay: Ebay, **how: Any) -> Page:
    return MESSAGES.fetch(ebay, account(), query(**how), TOKEN, timeout=5)


def details(ebay: Ebay, *keys: str) -> Mapping[str, bytes]:
    return MESSAGES.details(ebay, account(), keys, TOKEN, timeout=5)


def test_every_folder_is_read_until_a_page_brings_nothing_new(ebay: Ebay, serve: Serve) -> None:
    mailbox = serve(Mailbox({"0": [1, 2], "1": [3], "7": [], "2": [4]}))

    page = fetch(ebay)

    assert page.keys == ("1", "2", "3", "4")
    assert page.total is None
    assert mailbox.calls == ["0/1", "0/2", "1/1", "1/2", "summary", "2/1", "2/2"]
    assert page.calls == 7


def test_a_summary_that_names_inbox_and_sent_names_nothing_new(ebay: Ebay, serve: Serve) -> None:
    mailbox = serve(Mailbox({"0": [1], "1": [2], "2": [3]}, names_all=True))

    assert fetch(ebay).keys == ("1", "2", "3")
    assert mailbox.calls == ["0/1", "0/2", "1/1", "1/2", "summary", "2/1", "2/2"]


def test_the_inbox_is_read_before_the_folders_into_which_messages_are_moved(
    ebay: Ebay, serve: Serve
) -> None:
    folders: dict[str, list[object]] = {"0": [1], "2": []}

    class Moving(Mailbox):
        def _answer(self, asked: ET.Element) -> str:
            told = super()._answer(asked)
            folders["2"] += folders["0"]
            folders["0"].clear()
            return told

    mailbox = serve(Moving(folders))

    assert fetch(ebay).keys == ("1", "1")
    assert mailbox.calls[0] == "0/1"


def test_headers_are_asked_for_by_folder_window_and_page(ebay: Ebay, serve: Serve) -> None:
    mailbox = serve(Mailbox())

    fetch(ebay, days=2, to=DAY)

    assert [(each.tag, each.text) for each in mailbox.asked[0].iter()][1:] == [
        ("DetailLevel", "ReturnHeaders"),
        ("FolderID", "0"),
        ("StartTime", "2026-02-24T23:59:59.000Z"),
        ("EndTime", "2026-02-27T00:00:00.000Z"),
        ("Pagination", None),
        ("EntriesPerPage", "200"),
        ("PageNumber", "1"),
    ]


def test_a_full_page_may_not_be_the_only_one(ebay: Ebay, serve: Serve) -> None:
    mailbox = serve(Mailbox({"0": range(200), "1": [500]}))

    page = fetch(ebay)

    assert len(page.rows) == 200, "which halves the window"
    assert mailbox.calls == ["0/1"]


def test_folders_together_fill_a_page_too(ebay: Ebay, serve: Serve) -> None:
    serve(Mailbox({"0": range(150), "1": range(500, 650)}))

    assert len(fetch(ebay).rows) >= 200


def test_short_pages_with_more_to_come_are_followed(ebay: Ebay, serve: Serve) -> None:
    serve(Mailbox({"0": range(60)}, page=25))

    assert len(fetch(ebay).rows) == 60


def test_short_pages_without_an_end_in_sight_halve_the_window(ebay: Ebay, serve: Serve) -> None:
    mailbox = serve(Mailbox({"0": range(1000)}, page=25))

    assert len(fetch(ebay).rows) == 200
    assert len(mailbox.calls) == 8


def test_an_end_that_is_shown_again_is_the_end(ebay: Ebay, serve: Serve) -> None:
    serve(Mailbox({"0": [1, 2, 3]}, repeats_its_end=True))

    assert fetch(ebay).keys == ("1", "2", "3")


def test_r55_a_header_without_a_folder_lies_where_it_was_found(ebay: Ebay, serve: Serve) -> None:
    serve(Mailbox({"0": [1], "1": [2]}, places=False))

    rows = [json.loads(row) for row in fetch(ebay).rows]

    assert [row["Folder"] for row in rows] == [{"FolderID": "0"}, {"FolderID": "1"}]


def test_rows_without_an_id_are_kept_for_quarantine(ebay: Ebay, serve: Serve) -> None:
    rows = "<Message><Subject>a</Subject></Message><Message><Subject>b</Subject></Message>"
    found = httpx.Response(200, text=answer(f"<Messages>{rows}<Message>?</Message></Messages>"))
    serve(Mailbox(instead={1: found}))

    page = fetch(ebay)

    assert [json.loads(row) for row in page.rows] == [
        {"Subject": "a", "Folder": {"FolderID": "0"}},
        {"Subject": "b", "Folder": {"FolderID": "0"}},
        "?",
    ]
    assert len(set(page.keys)) == 3


def test_r55_every_message_of_a_batch_is_found(ebay: Ebay, serve: Serve) -> None:
    mailbox = serve(Mailbox())
    keys = tuple(str(number) for number in range(10))

    found = details(ebay, *keys)

    assert mailbox.calls == [" ".join(keys)]
    assert {key: json.loads(text)["Text"] for key, text in found.items()} == {
        key: f"text of {key}" for key in keys
    }


def test_a_text_that_is_deleted_meanwhile_is_left_out(ebay: Ebay, serve: Serve) -> None:
    serve(Mailbox())

    assert list(details(ebay, "1", "gone", "3")) == ["1", "3"]


@pytest.mark.parametrize(
    "empty",
    ["<Messages/>", "", "<Messages></Messages>", "<Messages>\n  </Messages>", "<Alerts/>"],
)
def test_every_form_of_an_empty_mailbox_is_empty(ebay: Ebay, serve: Serve, empty: str) -> None:
    nothing = httpx.Response(200, text=answer(empty))
    serve(Mailbox(instead=dict.fromkeys(range(1, 9), nothing)))

    page = fetch(ebay)

    assert (page.rows, page.keys) == ((), ())
    assert json.loads(page.text) == {"messages": []}


@pytest.mark.parametrize("call", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (failure(10007), UpstreamUnavailableError),
        (failure(20118), BadAnswerError),
        (failure(20118, "PartialFailure"), BadAnswerError),
        (failure(518), RateLimitedError),
        (answer("", name="GetItemResponse"), BadAnswerError),
        (BOMB + answer("<Messages>&b;</Messages>"), UpstreamUnavailableError),
        ("<html><body>We'll be back</body></html>", UpstreamUnavailableError),
        (answer("<Messages>")[:-30], UpstreamUnavailableError),
        ("", UpstreamUnavailableError),
    ],
    ids=["system", "refused", "partial", "quota", "root", "bomb", "html", "truncated", "empty"],
)
def test_r28_r29_r55_a_call_that_failed_fails_the_page(
    ebay: Ebay, serve: Serve, call: int, body: str, kind: type[AppError]
) -> None:
    serve(Mailbox({"0": [1, 2]}, instead={call: httpx.Response(200, text=body)}))

    with pytest.raises(kind):
        fetch(ebay)


def test_r28_a_refused_batch_is_an_error_not_an_empty_one(ebay: Ebay, serve: Serve) -> None:
    serve(Mailbox(instead={1: httpx.Response(200, text=failure(20118))}))

    with pytest.raises(BadAnswerError, match="20118"):
        details(ebay, "1")


class SlowHttp(EbayHttp):
    """Each answer takes two seconds, and is empty."""

    def __init__(self, passing: FakeClock) -> None:
        super().__init__()
        self.passing = passing
        self.timeouts: list[float] = []

    def request(self, *_: object, timeout: float, **__: object) -> Answer:
        self.timeouts.append(timeout)
        self.passing.advance(2)
        return Answer(place="POST", status=200, headers={}, body=answer("").encode())


def test_the_calls_of_a_page_share_its_time() -> None:
    passing = FakeClock()
    http = SlowHttp(passing)
    slow = Ebay(http=http, hosts=EbayHosts(), clock=passing)

    MESSAGES.fetch(slow, account(), query(), TOKEN, timeout=5)

    assert http.timeouts == [5.0, 3.0, 1.0]
    http.close()


def test_the_samples_are_read_field_by_field(ebay: Ebay, serve: Serve) -> None:
    served = {
        1: httpx.Response(200, content=trading_sample("GetMyMessages_ReturnHeaders")),
        2: httpx.Response(200, content=trading_sample("GetMyMessages_empty")),
        3: httpx.Response(200, content=trading_sample("GetMyMessages_empty")),
        4: httpx.Response(200, content=trading_sample("GetMyMessages_ReturnSummary")),
        5: httpx.Response(200, content=trading_sample("GetMyMessages_ReturnMessages")),
    }
    mailbox = serve(Mailbox(instead=served))

    page = fetch(ebay)
    found = details(ebay, *page.keys)

    assert mailbox.calls == ["0/1", "0/2", "1/1", "summary", "5882110 5882111"]
    assert page.keys == ("5882110", "5882111")
    assert list(found) == ["5882110"]
    header, whole = json.loads(page.rows[0]), json.loads(found["5882110"])
    assert header["ResponseDetails"]["ResponseURL"].endswith("?M2MContact&item=110164967546")
    assert header["Folder"] == {"FolderID": "0"}
    assert whole == header | {
        "Text": "<!DOCTYPE html><html><body>Is it still available?</body></html>",
        "Content": "Is it still available?",
    }
