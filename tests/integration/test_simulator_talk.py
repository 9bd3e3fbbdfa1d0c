"""The simulator's mailboxes and Best Offers answer as eBay's documents and samples say."""

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from infra.simulator.clock import iso
from infra.simulator.server import Simulator
from infra.simulator.trading import NAMESPACE, PATH
from tests.support.ebay_shared import trading_sample
from tests.support.simulated import Caller

MINUTE_MS = 60_000


class Talker(Caller):
    def call(self, name: str, inside: str) -> ET.Element:
        """The answer without namespaces."""
        headers = {
            "X-EBAY-API-CALL-NAME": name,
            "X-EBAY-API-IAF-TOKEN": self.token or self.refresh(),
            "X-EBAY-API-COMPATIBILITY-LEVEL": "1423",
            "X-EBAY-API-SITEID": "0",
        }
        body = f'<{name}Request xmlns="{NAMESPACE}">{inside}</{name}Request>'
        url = self.simulator.api_url + PATH
        answer = self.http.post(url, content=body.encode(), headers=headers)
        assert answer.status_code == 200
        return bare(answer.content)

    def headers(self, inside: str = "") -> list[ET.Element]:
        level = "<DetailLevel>ReturnHeaders</DetailLevel>"
        return list(self.call("GetMyMessages", level + inside).iterfind("Messages/Message"))


def bare(xml: bytes) -> ET.Element:
    root = ET.fromstring(xml)
    for each in root.iter():
        each.tag = each.tag.rpartition("}")[2]
    return root


def paths(element: ET.Element, above: str = "") -> set[str]:
    here = f"{above}/{element.tag}"
    return {here} | {path for child in element for path in paths(child, here)}


def refusal(answer: ET.Element) -> tuple[str | None, str | None]:
    return answer.findtext("Ack"), answer.findtext("Errors/ErrorCode")


def ids(found: list[ET.Element]) -> list[str]:
    return [(each.findtext("MessageID") or "").strip() for each in found]


def some(count: int, name: str = "MessageID") -> str:
    told = "".join(f"<{name}>{number}</{name}>" for number in range(count))
    return f"<DetailLevel>ReturnMessages</DetailLevel><MessageIDs>{told}</MessageIDs>"


@pytest.fixture
def talker() -> Iterator[Talker]:
    with Simulator(seed=6, accounts=2, orders=900) as simulator, Talker(simulator) as caller:
        yield caller


@pytest.fixture
def box(talker: Talker) -> Any:
    return talker.account.mailbox


def test_more_than_ten_message_ids_are_refused(talker: Talker) -> None:
    assert refusal(talker.call("GetMyMessages", some(10))) == ("Success", None)
    assert refusal(talker.call("GetMyMessages", some(11)))[0] == "Failure"


@pytest.mark.parametrize("level", ["", "<DetailLevel>ReturnAll</DetailLevel>"])
def test_a_detail_level_is_demanded(talker: Talker, level: str) -> None:
    assert refusal(talker.call("GetMyMessages", level))[0] == "Failure"


def test_nothing_tells_how_many_messages_there_are(talker: Talker) -> None:
    level = "<DetailLevel>ReturnHeaders</DetailLevel>"

    answer = talker.call("GetMyMessages", level)

    assert {each.tag for each in answer} == {"Timestamp", "Ack", "Version", "Build", "Messages"}
    assert len(answer.findall("Messages/Message")) == 25, "eBay's default"


def test_headers_are_those_of_a_folder_and_a_window_newest_first(talker: Talker, box: Any) -> None:
    box.messages.clear()
    start = talker.simulator.clock.now_ms() - 60 * MINUTE_MS
    made = [box.add(start + nth * MINUTE_MS, folder=nth % 2) for nth in range(10)]
    window = f"<StartTime>{iso(made[2].sent)}</StartTime><EndTime>{iso(made[6].sent)}</EndTime>"

    found = talker.headers(f"<FolderID>0</FolderID>{window}")

    assert ids(found) == [made[nth].message_id for nth in (6, 4, 2)]


def test_pages_count_from_one_and_end_in_an_empty_one(talker: Talker, box: Any) -> None:
    size = len(box.messages) - 1
    assert size < 200
    place = (
        "<Pagination><EntriesPerPage>{}</EntriesPerPage><PageNumber>{}</PageNumber></Pagination>"
    )

    pages = [talker.headers(place.format(size, number)) for number in (1, 2, 3)]

    assert [len(page) for page in pages] == [size, 1, 0]
    assert len({*ids(pages[0]), *ids(pages[1])}) == size + 1


def test_headers_have_no_text_and_messages_have_it_unless_it_is_deleted(
    talker: Talker, box: Any
) -> None:
    first, second, third = box.messages[:3]
    first.is_gone, second.is_gone, third.is_gone = True, False, False
    wanted = "".join(f"<MessageID>{each.message_id}</MessageID>" for each in (first, second, third))
    level = "<DetailLevel>ReturnMessages</DetailLevel>"

    answer = talker.call("GetMyMessages", f"{level}<MessageIDs>{wanted}</MessageIDs>")

    assert all(each.find("Text") is None for each in talker.headers())
    found = answer.findall("Messages/Message")
    assert ids(found) == [second.message_id, third.message_id]
    assert [(each.findtext("Content") or "").strip() for each in found] == [
        second.text, third.text,
    ]  # fmt: skip


@pytest.mark.parametrize(("named", "folders"), [(False, {"2", "7"}), (True, {"0", "1", "2", "7"})])
def test_the_summary_tells_the_folders(talker: Talker, named: bool, folders: set[str]) -> None:
    talker.simulator.world.behaviour.summary_names_inbox = named
    level = "<DetailLevel>ReturnSummary</DetailLevel>"

    answer = talker.call("GetMyMessages", level)

    assert {each.text for each in answer.iterfind("Summary/FolderSummary/FolderID")} == folders


@pytest.mark.parametrize(
    ("name", "inside", "sample"),
    [
        ("GetMyMessages", "ReturnSummary", "GetMyMessages_ReturnSummary"),
        ("GetMyMessages", "ReturnHeaders", "GetMyMessages_ReturnHeaders"),
    ],
)
def test_answers_have_what_the_samples_have(
    talker: Talker, name: str, inside: str, sample: str
) -> None:
    answer = talker.call(name, f"<DetailLevel>{inside}</DetailLevel>")

    lacking = paths(bare(trading_sample(sample))) - paths(answer)

    assert {path.rpartition("/")[2] for path in lacking} <= {
        "NewHighPriorityCount",
        "TotalHighPriorityCount",
    }


def test_offers_have_what_the_sample_has(talker: Talker) -> None:
    answer = talker.call("GetBestOffers", "")
    [sample] = bare(trading_sample("GetBestOffers_one_item")).iterfind("BestOfferArray/BestOffer")

    found = {path for each in answer.iter("BestOffer") for path in paths(each)}

    assert paths(sample) - found == {"/BestOffer/Buyer/Email"}, "which only accepted offers show"


def test_pages_of_offers_count_items_and_entries_count_offers(talker: Talker) -> None:
    book = talker.account.offers
    groups = len(book.by_item())

    answer = talker.call(
        "GetBestOffers", "<Pagination><EntriesPerPage>5</EntriesPerPage></Pagination>"
    )

    result = answer.find("PaginationResult")
    assert result is not None
    assert result.findtext("TotalNumberOfEntries") == str(len(book.offers))
    assert result.findtext("TotalNumberOfPages") == str(-(-groups // 5))
    assert len(answer.findall("ItemBestOffersArray/ItemBestOffers")) == 5
    assert len(book.offers) > groups


def test_all_offers_need_an_item(talker: Talker) -> None:
    answer = talker.call("GetBestOffers", "<BestOfferStatus>All</BestOfferStatus>")

    assert refusal(answer)[0] == "Failure"


def test_a_mailbox_changes_by_the_seed_and_two_accounts_share_an_id() -> None:
    def made() -> list[list[str]]:
        simulator = Simulator(seed=6, accounts=2, orders=100)
        for account in simulator.world.accounts:
            for nth in range(50):
                account.mailbox.mutate(nth)
        return [
            [f"{each.message_id} {each.folder} {each.read}" for each in account.mailbox.messages]
            for account in simulator.world.accounts
        ]

    first, again = made(), made()

    assert first == again
    all_ids = [each.split()[0] for box in first for each in box]
    assert len(set(all_ids)) >= len(all_ids) - 1


def test_a_large_world_has_a_mailbox_and_offers_to_match() -> None:
    simulator = Simulator(seed=1, accounts=1, orders=3000)

    [account] = simulator.world.accounts

    assert len(account.mailbox.messages) == 300
    assert len(account.offers.offers) == 75
    assert {each.folder for each in account.mailbox.messages} == {0, 1, 2, 7}
    assert any(each.is_gone for each in account.mailbox.messages)
    assert len({each.message_id for each in account.mailbox.messages}) == 300
