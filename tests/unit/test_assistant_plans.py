"""What changes something is a plan first, is done once, and is taken back where a part fails."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.accounts.model import Status
from core.chat.assistant_steps import read
from core.chat.model import Reply, RolledBack
from core.errors import StoreUnavailableError, UsageError
from core.ids import AccountId
from core.jobs.control import DeadFilter
from core.jobs.model import NewJob
from core.jobs.model import Status as JobStatus
from core.streams.control import RefusedError
from core.streams.model import Rewound, Switched
from core.streams.ports import Step
from tests.support.memory_assistant import (
    SOME_JOB,
    Talk,
    a_dead_group,
    a_job,
    a_queue,
    a_worker,
    an_account,
)
from tests.support.memory_jobs import MemoryTransaction
from tests.support.memory_streams import NOW, MemoryStreams, a_pass, a_stream

DAY = timedelta(days=1)
CURSOR = NOW - timedelta(minutes=3)
REWIND = "/rewind shop orders 2026-11-12"
BOTH = "/rewind shop orders,returns 10d"
LOST = StoreUnavailableError("the connection broke")


def two_streams() -> Talk:
    return Talk(store=MemoryStreams(states=[a_stream(), a_stream("returns"), a_stream("buyer")]))


def reply(answer: object) -> Reply:
    assert isinstance(answer, Reply), answer
    return answer


def rolled_back(answer: object) -> str:
    assert isinstance(answer, RolledBack), answer
    return answer.text


def cursors(talk: Talk) -> Mapping[str, object]:
    return {each.stream: each.new.cursor_at for each in talk.store.states}


class Failing(MemoryStreams):
    """A rewind of `returns` fails with each of these in turn; then undoing does."""

    errors: list[Exception]
    undo_error: Exception | None = None

    def rewind(self, account_id: AccountId, stream: str, decide: Any) -> Rewound:
        if stream == "returns" and self.errors:
            raise self.errors.pop(0)
        return super().rewind(account_id, stream, decide)

    def undo(self, account_id: AccountId, stream: str, decide: Any) -> Rewound:
        if self.undo_error is not None:
            raise self.undo_error
        return super().undo(account_id, stream, decide)


class Unswitchable(MemoryStreams):
    def switch(
        self, accounts: Sequence[str], streams: Sequence[str], *, enabled: bool, via: str
    ) -> Switched:
        raise UsageError("the account changed meanwhile")


def failing(*errors: Exception, undo: Exception | None = None) -> Talk:
    store = Failing(states=[a_stream(), a_stream("returns")])
    store.errors, store.undo_error = list(errors), undo
    return Talk(store=store)


@pytest.mark.parametrize(
    ("said", "job"),
    [
        ("/run", {"worker": "ebay-cycle", "accounts": [], "streams": []}),
        ("/run worker token-refresh", {"worker": "token-refresh", "accounts": [], "streams": []}),
        ("/run EBAY", {"worker": "ebay-cycle", "accounts": [], "streams": []}),
        ("/run shop", {"worker": "ebay-cycle", "accounts": ["shop"], "streams": []}),
        (
            "/run Shop claims",
            {"worker": "ebay-cycle", "accounts": ["shop"], "streams": ["orders", "returns"]},
        ),
    ],
)
def test_a_run_is_a_job_that_is_written_with_the_reply(
    said: str, job: Mapping[str, object]
) -> None:
    talk = Talk()
    plan = talk.planned(said)

    answer = reply(talk.approved(said))

    assert plan.text.startswith("Run once: a run of ")
    assert "Cost: at least" in plan.text
    assert "Undo: none is needed" in plan.text
    assert answer.then == (NewJob(kind="run_worker", payload=job),)
    assert answer.text.startswith("Queued: a run of ")


def test_a_run_of_an_account_that_sleeps_is_not_planned() -> None:
    talk = Talk()
    talk.shop.seen = [an_account(status=Status.PAUSED)]

    assert "is paused" in talk.told("/run shop orders")


def test_an_account_is_paused_and_resumed() -> None:
    talk = Talk()
    plan = talk.planned("/pause shop")

    paused = reply(talk.approved("/pause shop"))
    twice = reply(talk.say("/pause shop", plan=plan.steps, again=True))
    resumed = reply(talk.approved("/resume shop"))

    assert plan.text.splitlines() == [
        "Pause the account shop: all its streams.",
        "Cost: no call to eBay. Nothing is lost: it catches up after /resume.",
        "Undo: /resume shop undoes it.",
    ]
    assert (paused.text, paused.result) == ("shop: paused. /resume shop undoes it.", {"changed": 1})
    assert (twice.text, twice.result) == ("shop: was paused already", {"changed": 0})
    assert resumed.text == "shop: resumed. /pause shop undoes it."
    assert talk.shop.seen[0].status is Status.ACTIVE


def test_streams_are_paused_and_resumed_those_that_are_not_so_already() -> None:
    talk = two_streams()
    talk.approved("/pause shop orders")

    plan = talk.planned("/pause shop all")
    paused = reply(talk.say("", plan=plan.steps))
    twice = reply(talk.say("", plan=plan.steps, again=True))

    assert plan.text.splitlines()[:2] == ["Pause 2 streams of shop:", "  returns, buyer"]
    assert paused.text == "shop: returns, buyer: paused. /resume shop returns,buyer undoes it."
    assert twice.text == "shop: returns, buyer: paused already"
    assert talk.told("/pause shop orders") == "shop: orders: paused already."
    assert [each.new.enabled for each in talk.store.states] == [False] * 3


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("/pause sh orders", "orders"),
        ("/pause shop return", "returns"),
        ("/pause shop claims,buy", "orders, returns, buyer"),
        ('/pause "shop" orders orders', "orders"),
    ],
)
def test_names_may_be_typed_by_their_beginnings(said: str, named: str) -> None:
    assert two_streams().planned(said).text.splitlines()[1] == f"  {named}"


def test_a_name_in_quotes_is_an_accounts_even_where_a_stream_is_called_so() -> None:
    talk = two_streams()
    talk.shop.seen.append(an_account("Orders of mine", 2))

    assert talk.planned('/pause "orders"').text.startswith("Pause the account Orders of mine")


def test_to_resume_a_stream_of_a_sleeping_account_says_that_it_sleeps() -> None:
    talk = Talk(store=MemoryStreams(states=[a_stream(new=a_pass(enabled=False))]))
    talk.shop.seen = [an_account(status=Status.PAUSED)]

    assert "The account itself is paused" in talk.planned("/resume shop orders").text


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("/pause", "Usage: /pause ACCOUNT [STREAM] | worker NAME | queue NAME | all"),
        ("/pause worker", "Usage: /pause"),
        ("/resume queue", "Usage: /resume"),
        ("/pause worker nobody", "there are: ebay-cycle, queue-drain, token-refresh"),
        ("/pause worker queue-drain", "queue-drain is what answers here"),
        ("/pause queue nobody", "there is no queue 'nobody'; there are: http, chat"),
        ("/pause queue CHAT", "without the queue chat nobody is answered here"),
        ("/pause shop ordrs", "there is no stream 'ordrs'. Did you mean orders? There are:"),
        ("/pause shop xyz", "there is no stream 'xyz'. There are: orders, returns, buyer"),
        ("/resume shop", "shop: is active already."),
        ("/resume shop orders", "shop: orders: resumed already."),
        ("/resume worker ebay", "The worker ebay-cycle is resumed already."),
        ("/resume queue http", "The queue http is resumed already."),
        ("/resume all", "All workers are resumed already."),
        ("/rewind my shop 7d", "name a stream behind the account. Usage: /rewind"),
        ("/pause orders returns", "there is no account 'orders'"),
        ("/pause , 7d", "there is no account ', 7d'"),
        ("/rewind shop orders", "Usage: /rewind ACCOUNT STREAM DATE|undo"),
        ("/rewind shop orders soon", "'soon' is no date. Usage: /rewind"),
        ("/rewind a shop 7d", "there is no account 'a shop'"),
        ("/rewind shop orders 2027-01-01", "lies in the future"),
        ("/rewind shop orders undo", "none of these streams has a rewind that is not undone"),
        ("/rewind shop buyer 7d", "buyer has no past"),
        ("/retry", "No job is dead."),
        ("/retry all", "No job is dead."),
        ("/retry nothing", "no job's id begins with 'nothing'"),
        ("/retry a b", "Usage: /retry JOB|all"),
        ("/run nobody", "there is no account 'nobody'"),
    ],
)
def test_what_cannot_be_done_is_answered_at_once_and_needs_no_approval(
    said: str, told: str
) -> None:
    talk = two_streams()
    talk.shop.seen.append(an_account("my shop", 2))

    assert told in talk.told(said)


def test_an_account_that_only_its_owner_brings_back_is_not_switched() -> None:
    talk = Talk()
    talk.shop.seen = [an_account(status=Status.NEEDS_RECONNECT)]

    assert "needs_reconnect; /accounts says what helps" in talk.told("/resume shop")


def test_workers_are_switched_where_the_task_settles() -> None:
    talk = Talk()

    plan = talk.planned("/pause worker token-refresh")
    answer = reply(talk.approved("/pause worker token-refresh"))

    assert plan.text.startswith("Pause the worker token-refresh.")
    assert talk.shop.switched == []
    assert answer.effect is not None
    answer.effect(MemoryTransaction([]))
    assert talk.shop.switched == [("worker", "token-refresh", False)]


def test_all_are_all_workers_but_the_one_that_answers() -> None:
    talk = Talk()

    plan = talk.planned("/pause ALL")
    answer = reply(talk.approved("/pause all"))

    assert plan.text.splitlines()[1] == "  ebay-cycle, token-refresh"
    assert answer.effect is not None
    answer.effect(MemoryTransaction([]))
    assert talk.shop.switched == [
        ("worker", "ebay-cycle", False),
        ("worker", "token-refresh", False),
    ]


def test_a_worker_and_a_queue_that_stopped_themselves_are_resumed() -> None:
    talk = Talk()
    talk.shop.runs = [a_worker(status="error"), a_worker("queue-drain")]
    talk.desk.lanes = [a_queue(tripped_at=NOW, due=1), a_queue("mail", enabled=False)]

    worker = talk.planned("/resume worker ebay-cycle")
    queue = talk.planned("/resume queue HTTP")
    answer = reply(talk.approved("/resume queue mail"))

    assert worker.text.startswith("Resume the worker ebay-cycle.")
    assert "Cost: the next drains do its work, now 1 job." in queue.text
    assert answer.effect is not None
    answer.effect(MemoryTransaction([]))
    assert talk.shop.switched == [("queue", "mail", True)]


def test_a_queue_is_paused_and_its_jobs_wait() -> None:
    talk = Talk()
    talk.desk.lanes = [a_queue(due=3, later=2)]

    plan = talk.planned("/pause queue http")

    assert "What is in it waits, now 5 jobs." in plan.text
    assert reply(talk.approved("/pause queue http")).text == (
        "queue http: paused. /resume queue http undoes it."
    )


def test_a_rewind_is_told_with_its_cost_and_done_once() -> None:
    talk = two_streams()
    plan = talk.planned(REWIND)

    once = reply(talk.say("", plan=plan.steps))
    twice = reply(talk.say("", plan=plan.steps, again=True))

    assert plan.text.splitlines() == [
        (
            "Set back shop/orders from 2026-11-22 11:57 UTC to 2026-11-12 00:00 UTC, and read it"
            " again from there."
        ),
        "  about 0 rows, 1 page and 1 call in 1 window",
        (
            "  an estimate: 0 rows of that time are stored, and nothing tells how many there are at"
            " eBay"
        ),
        "  4,500 of the day's 5,000 calls of api.orders are left",
        "Undo: /rewind shop orders undo, until it has been read again; no row is deleted.",
    ]  # fmt: skip
    assert once.text == (
        "shop/orders: stands at 2026-11-12 00:00 UTC, and is read again from there. /rewind shop"
        " orders undo undoes it."
    )
    assert "was set back to 2026-11-12 00:00 UTC" in twice.text
    assert len(talk.store.states[0].rewinds) == 1


def test_a_rewind_that_was_read_again_before_its_second_try_is_not_made_twice() -> None:
    talk = two_streams()
    plan = talk.planned(REWIND)
    talk.say("", plan=plan.steps)
    state = talk.store.states[0]
    talk.store.states[0] = replace(state, new=replace(state.new, cursor_at=NOW))

    answer = reply(talk.say("", plan=plan.steps, again=True))

    assert "was set back" in answer.text
    assert cursors(talk)["orders"] == NOW


def test_a_rewind_of_what_is_read_again_already_says_so() -> None:
    talk = two_streams()
    plan = talk.planned("/rewind shop orders 5d")
    talk.say("", plan=talk.planned("/rewind shop orders 8d").steps)

    answer = reply(talk.say("", plan=plan.steps))

    assert answer.text == "shop/orders: is being read again already, from there or before"
    assert answer.result == {"changed": 0}


def test_a_rewind_ends_the_run_that_was_at_it() -> None:
    talk = Talk(store=MemoryStreams(states=[a_stream(new=a_pass(running=True))]))

    assert "The run that was at it writes nothing more." in reply(talk.approved(REWIND)).text


def test_a_rewind_is_undone_by_a_plan_of_its_own() -> None:
    talk = two_streams()
    before = cursors(talk)
    talk.approved(BOTH)

    plan = talk.planned("/rewind shop orders returns undo")
    undone = reply(talk.say("", plan=plan.steps))
    twice = reply(talk.say("", plan=plan.steps, again=True))

    assert plan.text.startswith("Put back shop/orders to where it stood before it was rewound;")
    assert undone.text.splitlines()[0] == (
        "shop/orders: stands at 2026-11-22 11:57 UTC again; no row was touched"
    )
    assert "was undone already" in twice.text
    assert cursors(talk) == before


def test_where_the_second_of_two_undoings_fails_the_first_is_set_back_again() -> None:
    talk = two_streams()
    talk.approved(BOTH)
    plan = talk.planned("/rewind shop orders,returns undo")
    returns = talk.store.states[1]
    read = replace(returns, new=replace(returns.new, cursor_at=NOW))
    talk.store.states[1] = read

    told = rolled_back(talk.say("", plan=plan.steps))

    assert told.startswith("Not done: shop/returns: shop/returns has been read again past where")
    assert told.endswith("\nTaken back:\nshop/orders: stands at 2026-11-12 12:00 UTC again")
    assert cursors(talk) == {"orders": NOW - 10 * DAY, "returns": NOW, "buyer": CURSOR}


def test_an_undoing_that_was_never_made_is_not_taken_back() -> None:
    talk = failing()
    talk.approved(BOTH)
    before = cursors(talk)
    plan = talk.planned("/rewind shop orders,returns undo")
    assert isinstance(talk.store, Failing)
    talk.store.undo_error = RefusedError("no")

    told = rolled_back(talk.say("", plan=plan.steps, again=True))

    assert told == "Not done: shop/orders: no\nNothing was changed."
    assert cursors(talk) == before


def test_of_all_streams_those_with_a_past_are_rewound() -> None:
    plan = two_streams().planned("/rewind shop all 10d")

    assert [getattr(step, "stream", "") for step in read(plan.steps)] == ["orders", "returns"]
    assert "All of them or none: where one fails, the others are put back." in plan.text


def test_where_the_second_of_two_rewinds_fails_the_first_is_taken_back() -> None:
    talk = failing(RefusedError("it lies in the future"))
    before = cursors(talk)

    told = rolled_back(talk.approved(BOTH))

    assert told == (
        "Not done: shop/returns: it lies in the future\n"
        "Taken back:\nshop/orders: stands at 2026-11-22 11:57 UTC again"
    )
    assert cursors(talk) == before


def test_a_database_that_does_not_answer_is_tried_once_more_and_then_taken_back() -> None:
    talk = failing(LOST, LOST)
    before = cursors(talk)
    plan = talk.planned(BOTH)

    with pytest.raises(StoreUnavailableError):
        talk.say("", plan=plan.steps)
    told = rolled_back(talk.say("", plan=plan.steps, again=True))

    assert told.startswith(
        "Not done: shop/returns: the database did not answer, or another run held"
    )
    assert "shop/orders: stands at 2026-11-22 11:57 UTC again" in told
    assert cursors(talk) == before


def test_a_second_try_goes_on_where_the_first_was_cut_off() -> None:
    talk = failing(LOST)
    plan = talk.planned(BOTH)
    with pytest.raises(StoreUnavailableError):
        talk.say("", plan=plan.steps)

    answer = reply(talk.say("", plan=plan.steps, again=True))

    assert [line.split(":")[0] for line in answer.text.splitlines()] == [
        "shop/orders",
        "shop/returns",
    ]
    assert cursors(talk)["returns"] == NOW - 10 * DAY


def test_a_mistake_of_ours_is_raised_with_everything_taken_back() -> None:
    talk = failing(ZeroDivisionError())
    before = cursors(talk)

    with pytest.raises(ZeroDivisionError):
        talk.approved(BOTH)

    assert cursors(talk) == before


def test_what_could_not_be_taken_back_is_told_as_it_is() -> None:
    talk = failing(RefusedError("no"), undo=LOST)

    with pytest.raises(UsageError) as told:
        talk.approved(BOTH)

    assert str(told.value).splitlines() == [
        "Not done: shop/returns: no",
        "This could not be taken back:",
        "shop/orders: the database did not answer, or another run held what was to be changed",
        "/status shows how it is.",
    ]


def test_a_rewind_by_somebody_else_is_never_taken_back() -> None:
    talk = failing(RefusedError("no"))
    plan = talk.planned(BOTH)
    state = talk.store.states[0]
    talk.store.rewind(
        state.account_id,
        "orders",
        lambda _, now: Step(to=now - 20 * DAY, via="cli", reason=None, calls=1),
    )

    told = rolled_back(talk.say("", plan=plan.steps, again=True))

    assert told == "Not done: shop/returns: no\nNothing was changed."
    assert cursors(talk)["orders"] == NOW - 20 * DAY


def test_pauses_of_a_plan_that_fails_are_resumed_as_they_were() -> None:
    talk = failing(RefusedError("no"))
    pauses = (talk.planned("/pause shop"), talk.planned("/pause shop orders"))
    steps = [step for plan in pauses for step in plan.steps["steps"]]  # type: ignore[attr-defined]  # a list, as it was written
    rewind = talk.planned("/rewind shop returns 10d").steps["steps"]
    together = {"version": 1, "steps": [*steps, *rewind]}  # type: ignore[misc]  # the same

    told = rolled_back(talk.say("", plan=together))

    assert told.splitlines()[1:] == [
        "Taken back:",
        "shop: orders: resumed again",
        "shop: resumed again",
    ]
    assert talk.store.states[0].new.enabled
    assert talk.shop.seen[0].status is Status.ACTIVE


@pytest.mark.parametrize("said", ["/pause shop", "/pause shop orders"])
def test_a_pause_that_failed_leaves_nothing_to_take_back(said: str) -> None:
    talk = Talk(store=Unswitchable())
    plan = talk.planned(said)
    talk.shop.fails = UsageError("the account changed meanwhile")

    told = rolled_back(talk.say("", plan=plan.steps, again=True))

    assert told.endswith(": the account changed meanwhile\nNothing was changed.")


@pytest.mark.parametrize("said", ["/pause shop", "/pause shop orders", REWIND, "/run shop"])
def test_an_account_that_is_gone_since_is_told(said: str) -> None:
    talk = Talk()
    plan = talk.planned(said)
    talk.shop.seen.clear()
    talk.store.states.clear()

    told = rolled_back(talk.say("", plan=plan.steps))

    assert told.startswith("Not done: there is no account 'shop'")
    assert told.endswith("Nothing was changed.")


@pytest.mark.parametrize("said", ["/pause shop", "/pause shop orders", REWIND])
def test_another_account_of_the_same_name_is_not_the_one_that_was_meant(said: str) -> None:
    talk = Talk()
    plan = talk.planned(said)
    talk.shop.seen = [an_account(number=9)]
    talk.store.states = [replace(each, account_id=AccountId(9)) for each in talk.store.states]

    assert "Nothing was changed." in rolled_back(talk.say("", plan=plan.steps))


def test_an_account_that_needs_its_owner_since_is_not_switched() -> None:
    talk = Talk()
    plan = talk.planned("/pause shop")
    talk.shop.seen = [an_account(status=Status.DISCONNECTED)]

    assert "is disconnected now" in rolled_back(talk.say("", plan=plan.steps))


def test_a_worker_or_queue_that_is_gone_since_is_told() -> None:
    talk = Talk()
    worker, queue = talk.planned("/pause worker ebay"), talk.planned("/pause queue http")
    talk.shop.runs.clear()
    talk.desk.lanes.clear()

    assert "no worker 'ebay-cycle' any more" in rolled_back(talk.say("", plan=worker.steps))
    assert "no queue 'http' any more" in rolled_back(talk.say("", plan=queue.steps))


def test_a_job_is_tried_again_once() -> None:
    talk = Talk()
    plan = talk.planned("/retry 0f8f")

    once = reply(talk.say("", plan=plan.steps))
    twice = reply(talk.say("", plan=plan.steps, again=True))

    assert plan.text.splitlines()[0] == (
        "Try again the job 0f8fad5b (http_request, dead 2026-11-22 12:00 UTC): upstream: it said"
        " 500"
    )
    assert once.text == "job 0f8fad5b: job 7c9e6679 tries it again; the next drain does it"
    assert twice.text == "job 0f8fad5b: is tried again already, by job 7c9e6679"
    assert talk.shop.retried == [SOME_JOB, SOME_JOB]


@pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.COMPLETED])
def test_a_job_that_need_not_be_tried_again_is_told(status: JobStatus) -> None:
    talk = Talk()
    talk.desk.jobs = [a_job(status=status, error_code=None, error_detail=None)]

    assert talk.told("/retry 0f8fad5b").endswith(f"is {status}; there is nothing to try again.")


def test_dead_jobs_are_listed_by_cause_before_they_are_tried_again() -> None:
    talk = Talk()
    talk.desk.graves = [a_dead_group(1200), *[a_dead_group(1)] * 11]

    told = talk.told("/retry")

    assert told.splitlines()[:2] == [
        "1,211 dead jobs:",
        "  1,200 http_request, upstream, newest 0f8fad5b at 2026-11-22 12:00 UTC",
    ]
    assert "  … and 2 more causes; see `jobs dead`" in told
    assert told.endswith("/retry all, or /retry JOB")


def test_all_dead_jobs_are_tried_again_in_batches_those_that_were_counted() -> None:
    talk = Talk()
    talk.desk.graves = [a_dead_group(700)]
    talk.shop.retries = [500, 150, 0]
    plan = talk.planned("/retry ALL")

    answer = reply(talk.say("", plan=plan.steps))

    assert "Try again all of them, those that had died by 2026-11-22 12:00 UTC." in plan.text
    assert "Undo: none." in plan.text
    assert answer.text == "650 dead jobs tried again; the next drain does the work."
    wanted = DeadFilter(until=NOW)
    assert talk.shop.retried == [(wanted, 500), (wanted, 200), (wanted, 50)]


def test_of_very_many_dead_jobs_the_oldest_are_tried_again() -> None:
    talk = Talk()
    talk.desk.graves = [a_dead_group(9_000)]
    talk.shop.retries = [500] * 10
    plan = talk.planned("/retry all")

    answer = reply(talk.say("", plan=plan.steps, again=True))

    assert "the oldest 5,000 of them" in plan.text
    assert answer.text.startswith("5,000 dead jobs tried again, beside those of an earlier try;")


def test_retries_that_stop_half_way_say_how_many_were_made() -> None:
    talk = Talk()
    talk.desk.graves = [a_dead_group(900)]
    plan = talk.planned("/retry all")
    talk.shop.retries = [500, UsageError("the key is too deep")]
    half = reply(talk.say("", plan=plan.steps))
    talk.shop.retries = [UsageError("the key is too deep")]
    none = rolled_back(talk.say("", plan=plan.steps))
    talk.shop.retries = [500, LOST]

    assert half.text.endswith("the next drain does the work. Then it stopped: the key is too deep")
    assert none == "Not done: dead jobs: the key is too deep\nNothing was changed."
    with pytest.raises(StoreUnavailableError):
        talk.say("", plan=plan.steps)


@pytest.mark.parametrize(
    "plan",
    [
        {},
        {"version": 2, "steps": [{"step": "RetryDead"}]},
        {"version": 1, "steps": []},
        {"version": 1, "steps": "RunWorker"},
        {"version": 1, "steps": [{"step": "RunWorker", "worker": "w"}] * 101},
        {"version": 1, "steps": ["RunWorker"]},
        {"version": 1, "steps": [{"step": "Erase"}]},
        {"version": 1, "steps": [{"step": ["RunWorker"]}]},
        {"version": 1, "steps": [{"step": "RunWorker"}]},
        {"version": 1, "steps": [{"step": "RunWorker", "worker": ""}]},
        {"version": 1, "steps": [{"step": "RunWorker", "worker": "w", "accounts": "shop"}]},
        {"version": 1, "steps": [{"step": "RunWorker", "worker": "w", "more": 1}]},
        {"version": 1, "steps": [{"step": "SwitchWorker", "worker": "w", "enabled": 1}]},
        {"version": 1, "steps": [{"step": "RetryJob", "job": "none"}]},
        {"version": 1, "steps": [{"step": "RetryDead", "until": "2026-11-22", "most": 1}]},
        {"version": 1, "steps": [{"step": "RetryDead", "until": NOW.isoformat(), "most": True}]},
    ],
)
def test_a_plan_of_another_release_is_refused_in_words(plan: Mapping[str, object]) -> None:
    with pytest.raises(UsageError, match="nothing was changed; type the command again"):
        Talk().say("", plan=plan)
