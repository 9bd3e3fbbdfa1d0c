"""Whatever a payload is, a kind takes it or says what is wrong with it: nothing else comes out."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.jobs.kinds import BadPayloadError, JobKind
from core.jobs.shipped.http_request import SubmitOverHttp
from core.jobs.shipped.mail import SendMails
from core.jobs.shipped.run_worker import RunWorkers
from core.jobs.shipped.target import Reach, read_hosts
from core.jobs.shipped.telegram import SendToChats
from core.jobs.shipped.webhook import PostWebhooks
from tests.support.outside import Refusing, Sender, job
from tests.unit.test_late_kinds import never

REACH = Reach(hosts=read_hosts("a.example"))
KINDS = (
    SubmitOverHttp(send=Sender(), reach=REACH).kind(),
    PostWebhooks(send=Sender(), reach=REACH).kind(),
    SendToChats(bot=None, blocks=Refusing()).kind(),
    SendMails(post=None).kind(),
    RunWorkers(run_once=never, workers=("ebay-cycle",)).kind(),
)
FIELDS = (
    "url", "method", "headers", "body", "expect", "type", "params", "data", "description",
    "domain", "not_after", "chat_id", "text", "silent", "to", "subject", "reply_to", "worker",
    "accounts", "streams",
)  # fmt: skip
WORDS = st.sampled_from(
    [
        "https://a.example/", "https://a.example:8443", "http://[::1", "https://[::ffff:1.2.3.4]/",
        "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "@orders", "a@b.example",
        "ebay-cycle", "GET", "status", "\ud83d", "\x00", "x\r\ny",
    ]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WORDS
VALUES = st.recursive(
    SCALARS, lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3)
)
PAYLOADS = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), VALUES, max_size=6)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(payload=PAYLOADS)
@settings(max_examples=40, deadline=None)
def test_a_payload_is_taken_or_refused(kind: JobKind, payload: dict[str, object]) -> None:
    with suppress(BadPayloadError):
        kind.check(payload)
        json.dumps(payload)
        assert kind.expires is not None
        kind.expires(job(payload))
