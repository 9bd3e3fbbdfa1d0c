"""Where mail is handed over; apart from the sending, so that a setting imports no smtplib."""

from dataclasses import dataclass

from core.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """`implicit_tls`: from the first byte (`smtps://`); else by STARTTLS."""

    host: str
    port: int
    implicit_tls: bool
    user: str | None = None
    password: Secret | None = None
