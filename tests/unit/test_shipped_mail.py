"""`notify.email`: one plain text to one address, known again when it comes twice."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from core.jobs.kinds import BadPayloadError
from core.jobs.model import Cancelled, Completed, Failed, Retry, Verdict
from core.jobs.shipped.answers import NoAnswer, NotSent
from core.jobs.shipped.mail import (
    Accepted,
    Mail,
    MailRefused,
    NotTrusted,
    Posted,
    SendMails,
    is_address,
)
from tests.support.outside import NOW, context, job

MAIL = {"to": "seller@example.com", "subject": "Orders: 3", "text": "line\nline"}


@dataclass
class Box:
    answer: Posted = field(default_factory=Accepted)
    sender: str = "cronshot@mail.example.org"
    mails: list[Mail] = field(default_factory=list)

    def send(self, mail: Mail, /) -> Posted:
        self.mails.append(mail)
        return self.answer


def performed(answer: Posted, **overrides: Any) -> tuple[Verdict, Box]:
    box = Box(answer)
    return SendMails(post=box).perform(job(MAIL, **overrides), context()), box


def test_a_mail_is_handed_over_with_an_id_of_the_senders_domain() -> None:
    verdict, box = performed(Accepted())

    [mail] = box.mails
    assert (mail.to, mail.subject, mail.text, mail.reply_to, mail.at) == (
        "seller@example.com", "Orders: 3", "line\nline", None, NOW,
    )  # fmt: skip
    assert mail.message_id.endswith("@mail.example.org>")
    assert verdict == Completed(result={"message_id": mail.message_id})


def test_its_id_is_the_effects_and_not_the_attempts() -> None:
    first, second = (
        performed(Accepted(), attempt=attempt, fence=attempt)[1].mails[0].message_id
        for attempt in (1, 2)
    )
    other = performed(Accepted(), idempotency_key="another")[1].mails[0].message_id

    assert first == second != other


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (MailRefused(code=550, stage="RCPT", text="no such user"), Failed, "smtp_550"),
        (MailRefused(code=554, stage="DATA", text="spam"), Failed, "smtp_554"),
        (MailRefused(code=450, stage="RCPT", text="greylisted"), Retry, "smtp_450"),
        (MailRefused(code=421, stage="DATA", text="later"), Retry, "smtp_421"),
        (MailRefused(code=535, stage="AUTH", text="bad password"), Retry, "smtp_535"),
        (MailRefused(code=530, stage="RCPT", text="log in first"), Retry, "smtp_530"),
        (MailRefused(code=553, stage="MAIL", text="not your address"), Retry, "smtp_553"),
        (MailRefused(code=554, stage="the connection", text="go away"), Retry, "smtp_554"),
        (NotTrusted(why="no STARTTLS"), Retry, "smtp_tls"),
        (NotSent(why="refused"), Retry, "not_sent"),
        (NoAnswer(why="broke off at DATA"), Retry, "no_answer"),
    ],
)
def test_an_answer_is_sorted_by_what_to_do(
    answer: Posted, kind: type[Failed | Retry], code: str
) -> None:
    verdict, _ = performed(answer)

    assert isinstance(verdict, kind)
    assert verdict.code == code
    assert "the mail server" in verdict.detail


def test_a_refusal_keeps_the_servers_words_on_one_line() -> None:
    verdict, _ = performed(MailRefused(code=550, stage="RCPT", text="no\r\nsuch user"))

    assert isinstance(verdict, Failed)
    assert verdict.detail == "the mail server answered 550 to RCPT: no  such user"


def test_what_is_cancelled_is_not_sent() -> None:
    box = Box()

    assert SendMails(post=box).perform(job(MAIL), context(cancelled=True)) == Cancelled()
    assert box.mails == []


def test_a_missing_server_is_named_and_tried_again() -> None:
    verdict = SendMails(post=None).perform(job(MAIL), context())

    assert isinstance(verdict, Retry)
    assert verdict.code == "not_configured"
    assert "SMTP_URL and SMTP_FROM" in verdict.detail


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"to": "seller@example.com\r\nBcc: everyone@example.com"}, "to: must be one line"),
        ({"to": "a@example.com, b@example.com"}, "to: must be one address"),
        ({"to": "Name <a@example.com>"}, "to: must be one address"),
        ({"to": '"a b"@example.com'}, "to: must be one address"),
        ({"to": "a@example..com"}, "to: must be one address"),
        ({"to": "a@-example.com"}, "to: must be one address"),
        ({"to": "ä@example.com"}, "to: must be one address"),
        ({"to": ["a@example.com"]}, "to: must be a text"),
        ({"reply_to": "a@example.com\nX: y"}, "reply_to: must be one line"),
        ({"reply_to": "nobody"}, "reply_to: must be one address"),
        ({"subject": "a\nBcc: everyone@example.com"}, "subject: must be one line"),
        ({"subject": "a\u2028b"}, "subject: must be one line"),
        ({"subject": ""}, "subject: must be a text"),
        ({"text": "x" * 100_001}, "text: is longer"),
        ({"text": "\ud83d"}, "text: holds a character"),
        ({"cc": "x"}, "cc: there is no such field"),
        ({"not_after": "x"}, "not_after: must be"),
    ],
)
def test_a_payload_that_cannot_be_sent_is_refused_by_its_field(
    change: dict[str, Any], why: str
) -> None:
    with pytest.raises(BadPayloadError, match=why) as caught:
        SendMails(post=None).kind().check({**MAIL, **change})

    assert "everyone" not in str(caught.value)


def test_an_answer_may_go_elsewhere() -> None:
    box = Box()

    SendMails(post=box).perform(job({**MAIL, "reply_to": "help@example.com"}), context())

    assert box.mails[0].reply_to == "help@example.com"


@pytest.mark.parametrize("text", ["a@localhost", "first.last+tag@sub.example.com"])
def test_an_address_is_one(text: str) -> None:
    assert is_address(text)


def test_an_address_has_an_end() -> None:
    assert not is_address("a@" + ".".join(["b" * 60] * 5))
