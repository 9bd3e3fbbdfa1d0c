"""Mail by SMTP against a real server on loopback: what it is given, and all that it can do."""

import ssl
import time
from dataclasses import replace
from typing import Any

import pytest

from core.jobs.shipped.answers import NoAnswer, NotSent
from core.jobs.shipped.mail import Accepted, Mail, MailRefused, NotTrusted
from core.secret import Secret
from infra.smtp import SmtpPost
from infra.smtp_server import SmtpServer
from tests.support.outside import NOW
from tests.support.smtp_server import MailServer, mail_server
from tests.support.wire import Authority, make_authority

NAME = "mail.example.org"
CANARY = "canary-19c4"
MAIL = Mail(
    message_id="<0123456789abcdef@example.com>",
    to="seller@example.com",
    subject="3 Bestellungen für dich ✓",
    text="erste Zeile\n.\n. zweite Zeile mit Umlaut ü\n" + "x" * 2000,
    reply_to="help@example.com",
    at=NOW,
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("smtp"))


@pytest.fixture(scope="module")
def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.root))


def post(server: MailServer, host: str = "127.0.0.1", **overrides: Any) -> SmtpPost:
    """To `server`, whatever its name: loopback stands behind all of them."""
    place = SmtpServer(host=host, port=server.port, implicit_tls=server.implicit_tls)
    given = SmtpPost(server=place, sender="cronshot@example.com", resolve=lambda *_: ["127.0.0.1"])
    return replace(given, **overrides)


def with_password(server: MailServer, password: str, **overrides: Any) -> SmtpPost:
    made = post(server, **overrides)
    login = replace(made.server, user="cronshot", password=Secret(password))
    return replace(made, server=login)


def test_a_mail_arrives_as_it_was_written() -> None:
    with mail_server(MailServer()) as server:
        answer = post(server).send(MAIL)

    [mail] = server.mails
    assert answer == Accepted()
    assert (mail.sender, mail.to) == ("cronshot@example.com", "seller@example.com")
    assert mail.message["Subject"] == MAIL.subject
    assert mail.message["Message-ID"] == MAIL.message_id
    assert mail.message["Reply-To"] == "help@example.com"
    assert mail.message["From"] == "cronshot@example.com"
    assert mail.message["Date"] == "Sun, 22 Nov 2026 12:00:00 +0000"
    assert mail.message.get_content().replace("\r\n", "\n").rstrip("\n") == MAIL.text
    assert mail.content.isascii()


def test_off_this_machine_it_goes_over_tls(authority: Authority, trusting: ssl.SSLContext) -> None:
    kind = MailServer(offers_tls=True, tls=authority.server_context(NAME), password="p")
    with mail_server(kind) as server:
        answer = with_password(server, "p", host=NAME, tls=trusting).send(MAIL)

    assert answer == Accepted()
    assert [(mail.over_tls, mail.user) for mail in server.mails] == [(True, "cronshot")]


def test_or_over_tls_from_the_first_byte(authority: Authority, trusting: ssl.SSLContext) -> None:
    kind = MailServer(implicit_tls=True, tls=authority.server_context(NAME))
    with mail_server(kind) as server:
        answer = post(server, host=NAME, tls=trusting).send(MAIL)

    assert answer == Accepted()
    assert server.mails[0].over_tls
    assert "STARTTLS" not in server.commands


def test_a_server_that_offers_no_tls_is_given_nothing() -> None:
    with mail_server(MailServer(password="p")) as server:
        answer = with_password(server, "p", host=NAME).send(MAIL)

    assert isinstance(answer, NotTrusted)
    assert "STARTTLS" in answer.why
    assert server.mails == []
    assert "AUTH" not in server.commands
    assert "MAIL" not in server.commands


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("host", [NAME, "other.example.org"])
def test_a_server_that_cannot_prove_its_name_is_given_nothing(
    authority: Authority, trusting: ssl.SSLContext, host: str, implicit: bool
) -> None:
    kind = MailServer(
        offers_tls=True, implicit_tls=implicit, tls=authority.server_context("mail.evil.example")
    )
    with mail_server(kind) as server:
        answer = post(server, host=host, tls=trusting).send(MAIL)

    assert isinstance(answer, NotTrusted)
    assert "MAIL" not in server.commands


def test_certificates_are_the_machines_own_where_none_are_given(authority: Authority) -> None:
    kind = MailServer(offers_tls=True, tls=authority.server_context(NAME))
    with mail_server(kind) as server:
        answer = post(server, host=NAME).send(MAIL)

    assert isinstance(answer, NotTrusted)


@pytest.mark.parametrize(
    ("command", "line", "code", "stage"),
    [
        ("GREETING", "554 no service", 554, "the connection"),
        ("MAIL", "553 not yours", 553, "MAIL"),
        ("RCPT", "550 no such user", 550, "RCPT"),
        ("RCPT", "450 greylisted", 450, "RCPT"),
        ("RCPT", "421 too busy", 421, "RCPT"),
        ("DATA", "451 not now", 451, "DATA"),
        (".", "554 spam", 554, "DATA"),
    ],
)
def test_a_refusal_says_which_command_was_refused(
    command: str, line: str, code: int, stage: str
) -> None:
    with mail_server(MailServer(refuse={command: line})) as server:
        answer = post(server).send(MAIL)

    assert answer == MailRefused(code=code, stage=stage, text=line[4:])
    assert server.mails == []


def test_a_refused_password_is_not_repeated() -> None:
    with mail_server(MailServer(password="right")) as server:
        answer = with_password(server, CANARY).send(MAIL)

    assert isinstance(answer, MailRefused)
    assert (answer.code, answer.stage) == (535, "AUTH")
    assert CANARY not in repr(answer)


@pytest.mark.parametrize("command", ["GREETING", "EHLO", "MAIL", "RCPT"])
def test_a_connection_that_ends_before_the_data_has_sent_nothing(command: str) -> None:
    with mail_server(MailServer(hangs_up_after=command)) as server:
        answer = post(server).send(MAIL)

    assert isinstance(answer, NotSent)


@pytest.mark.parametrize("command", ["DATA", "."])
def test_a_connection_that_ends_with_the_data_leaves_it_open(command: str) -> None:
    with mail_server(MailServer(hangs_up_after=command)) as server:
        answer = post(server).send(MAIL)

    assert isinstance(answer, NoAnswer)


def test_what_is_taken_is_taken_however_the_talk_ends() -> None:
    for trouble in (MailServer(hangs_up_after="QUIT"), MailServer(silent_after="QUIT"),
                    MailServer(refuse={"QUIT": "500 what"})):  # fmt: skip
        with mail_server(trouble) as server:
            assert post(server).send(MAIL) == Accepted()


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (MailServer(silent_after="GREETING"), NotSent),
        (MailServer(silent_after="RCPT"), NotSent),
        (MailServer(silent_after="."), NoAnswer),
        (MailServer(drips=True), NotSent),
    ],
    ids=["silence", "silence later", "silence at the end", "a byte at a time"],
)
def test_a_slow_server_is_given_up_within_the_time_of_the_whole(
    trouble: MailServer, kind: type[NotSent | NoAnswer]
) -> None:
    began = time.monotonic()
    with mail_server(trouble) as server:
        answer = post(server, timeout=0.4).send(MAIL)

    assert isinstance(answer, kind)
    assert time.monotonic() - began < 8


def test_a_handshake_that_never_ends_is_given_up(trusting: ssl.SSLContext) -> None:
    with mail_server(MailServer(drips=True)) as server:
        place = SmtpServer(host=NAME, port=server.port, implicit_tls=True)
        answer = replace(post(server), server=place, tls=trusting, timeout=0.4).send(MAIL)

    assert isinstance(answer, NotSent | NotTrusted)


@pytest.fixture
def nobody() -> SmtpPost:
    with mail_server(MailServer()) as server:
        pass
    return post(server)


def test_where_nobody_listens_nothing_is_sent(nobody: SmtpPost) -> None:
    unknown = replace(nobody, resolve=lambda *_: [])

    assert isinstance(nobody.send(MAIL), NotSent)
    assert isinstance(unknown.send(MAIL), NotSent)


def test_the_second_address_is_tried() -> None:
    with mail_server(MailServer()) as server:
        both = post(server, resolve=lambda *_: ["::1", "127.0.0.1"])

        assert both.send(MAIL) == Accepted()


def test_a_header_that_would_begin_another_is_never_written() -> None:
    with mail_server(MailServer()) as server, pytest.raises(ValueError, match=r"newline|linefeed"):
        post(server).send(replace(MAIL, subject=f"a\r\nBcc: {CANARY}@example.com"))

    assert server.mails == []
