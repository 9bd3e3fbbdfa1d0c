"""The token endpoint: three grants, revocation, and what an access token says."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from infra.simulator.accounts import SCOPE, Account, Grant
from infra.simulator.answers import Answer, Request, json_answer
from infra.simulator.world import World

CLIENT_ID = "cronshot-simulator"
CLIENT_SECRET = "cronshot-simulator-secret"  # noqa: S105 -- built in, opens nothing but this simulator
RUNAME = "cronshot-simulator-runame"
DEV_ID = "cronshot-simulator-dev"
REFRESH_TOKEN_LIFETIME_S = 47_304_000
CODE_LIFETIME_S = 299
LONGEST_CODE = 1024
_MARK = "v^1.1#i^1#"
_GRANT_REFUSED = "the provided authorization {} is invalid or was issued to another client"
_SCOPE_REFUSED = (
    "The requested scope is invalid, unknown, malformed, or exceeds the scope granted to the client"
)


@dataclass(frozen=True, slots=True)
class Bearer:
    """What a good access token says; `account` None: an application's."""

    account: Account | None
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Code:
    """What a consent was given for. `until` in ms."""

    account: Account
    scopes: frozenset[str]
    until: int


def fingerprint(token: str) -> str:
    """A name for a secret in logs: eight hex digits, no way back."""
    return hashlib.sha256(token.encode()).hexdigest()[:8]


class TokenDesk:
    """Access tokens carry their claims, signed with the seed: they outlive a restart."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._key = world.secret("access")
        self._serial = 0
        self._codes: dict[str, Code] = {}
        self._issued = 0

    def mint(self, account: Account | None, scopes: Iterable[str], refresh_token: str = "") -> str:
        """A new access token, unlike any before, good for `token_lifetime_s`."""
        now_ms = self._world.clock.now_ms()
        self._serial = max(self._serial + 1, now_ms * 1000)
        claims = {
            "account": account.name if account else None,
            "scopes": sorted(scopes),
            "until": now_ms + self._world.behaviour.token_lifetime_s * 1000,
            "serial": self._serial,
            "grant": fingerprint(refresh_token) if refresh_token else "",
        }
        text = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()
        return f"{_MARK}t^{text}.{self._sign(text)}"

    def read(self, token: str) -> Bearer | None:
        """None: not ours, expired, ended early, or its account has withdrawn its consent."""
        claims = self._claims(token)
        if claims is None or claims["until"] <= self._world.clock.now_ms():
            return None
        scopes = frozenset(claims["scopes"])
        if claims["account"] is None:
            return Bearer(None, scopes)
        account = self._world.account(claims["account"])
        if account.revoked or claims["serial"] < account.oldest_serial:
            return None
        if claims["grant"] in account.ended_grants:
            return None
        return Bearer(account, scopes & account.scopes)

    def has_ended(self, token: str) -> bool:
        """Whether a token that is not good has once been."""
        return self._claims(token) is not None and self.read(token) is None

    def _claims(self, token: str) -> dict[str, Any] | None:
        text, _, signature = token.removeprefix(f"{_MARK}t^").rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(text).encode()):
            return None
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text))
        return claims

    def end_tokens(self, account: Account) -> None:
        """Every access token of this account so far is refused from now on."""
        self._serial = max(self._serial + 1, self._world.clock.now_ms() * 1000)
        account.oldest_serial = self._serial

    def authorization_code(self, account: Account, scopes: Iterable[str] | None = None) -> str:
        """What the consent page hands over: good once, for 299 seconds; `scopes` None: all."""
        self._issued += 1
        secret = base64.b64encode(self._world.secret(f"code/{self._issued}")).decode()
        code = f"{_MARK}p^3#r^1#I^3#f^0#c^{secret}"
        if self._world.behaviour.long_codes:
            code = (code + f"+/{secret}" * LONGEST_CODE)[: LONGEST_CODE - 1] + "="
        self._codes[code] = Code(
            account,
            frozenset(account.scopes if scopes is None else scopes),
            self._world.clock.now_ms() + CODE_LIFETIME_S * 1000,
        )
        return code

    def redeem(self, code: str) -> Code | None:
        """None: never given, used already, or too old."""
        found = self._codes.pop(code, None)
        if found is None or found.until <= self._world.clock.now_ms():
            return None
        return found

    def _sign(self, text: str) -> str:
        return hmac.digest(self._key, text.encode(), "sha256").hex()[:32]


def account_of_grant(world: World, request: Request) -> Account | None:
    """Whose refresh token this is, good or not; for the log and for faults."""
    token = _form(request).get("refresh_token", "")
    for account in world.accounts:
        if token in account.refresh_tokens:
            return account
    return None


def answer_token(world: World, desk: TokenDesk, request: Request) -> Answer:
    """The client is judged before anything else: 401 comes before any 400."""
    if not _is_client(request.headers.get("authorization", "")):
        return _refuse(401, "invalid_client", "client authentication failed")
    form = _form(request)
    match form.get("grant_type"):
        case "client_credentials":
            return _application(desk, world, form)
        case "authorization_code":
            return _code(desk, world, form)
        case "refresh_token":
            return _refresh(desk, world, form)
        case _:
            return _refuse(
                400,
                "unsupported_grant_type",
                "grant type in request is not supported by the authorization server",
            )


def answer_revoke(world: World, request: Request) -> Answer:
    """As RFC 7009 has it: 200 for a token that is none, too. eBay's own words are not on record."""
    if not _is_client(request.headers.get("authorization", "")):
        return _refuse(401, "invalid_client", "client authentication failed")
    token = _form(request).get("token", "")
    if not token:
        return _refuse(400, "invalid_request", "token is missing in the request")
    for account in world.accounts:
        if token in account.refresh_tokens:
            account.refresh_tokens.discard(token)
            account.ended_grants.add(fingerprint(token))
    return Answer(200, b"")


def _form(request: Request) -> dict[str, str]:
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    fields = parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def _is_client(header: str) -> bool:
    scheme, _, text = header.partition(" ")
    try:
        given = base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    wanted = f"{CLIENT_ID}:{CLIENT_SECRET}".encode()
    return scheme.lower() == "basic" and hmac.compare_digest(given, wanted)


def _refuse(status: int, code: str, description: str) -> Answer:
    return json_answer(status, {"error": code, "error_description": description})


def _application(desk: TokenDesk, world: World, form: dict[str, str]) -> Answer:
    scopes = set(form.get("scope", "").split())
    if not scopes or not scopes <= {SCOPE}:
        return _refuse(400, "invalid_scope", _SCOPE_REFUSED)
    return json_answer(
        200,
        {
            "access_token": desk.mint(None, scopes),
            "expires_in": world.behaviour.token_lifetime_s,
            "token_type": "Application Access Token",
        },
    )


def _code(desk: TokenDesk, world: World, form: dict[str, str]) -> Answer:
    code = desk.redeem(form.get("code", "")) if form.get("redirect_uri") == RUNAME else None
    if code is None:
        return _refuse(400, "invalid_grant", _GRANT_REFUSED.format("grant code"))
    account = code.account
    _renew_consent(desk, account, code.scopes)
    now_ms = world.clock.now_ms()
    tail = base64.b64encode(world.secret(f"refresh/{form['code']}")).decode()
    refresh_token = f"{_MARK}r^1#p^3#I^3#f^0#t^{tail}"
    account.refresh_tokens.add(refresh_token)
    account.grants[refresh_token] = Grant(code.scopes, now_ms + REFRESH_TOKEN_LIFETIME_S * 1000)
    granted = {
        "access_token": desk.mint(account, code.scopes, refresh_token),
        "expires_in": world.behaviour.token_lifetime_s,
        "refresh_token": refresh_token,
        "refresh_token_expires_in": REFRESH_TOKEN_LIFETIME_S,
        "token_type": "User Access Token",
    }
    if world.behaviour.grant_tells_scopes:
        granted["scope"] = " ".join(sorted(code.scopes))
    return json_answer(200, granted)


def _renew_consent(desk: TokenDesk, account: Account, scopes: Iterable[str]) -> None:
    """What a seller took back stays taken back: only what he grants now is good."""
    if account.revoked:
        account.refresh_tokens.clear()
        account.grants.clear()
        desk.end_tokens(account)
    account.revoked = False
    account.scopes |= set(scopes)


def _refresh(desk: TokenDesk, world: World, form: dict[str, str]) -> Answer:
    token = form.get("refresh_token", "")
    account = next((each for each in world.accounts if token in each.refresh_tokens), None)
    if account is None or account.revoked or _has_ended(world, account, token):
        return _refuse(400, "invalid_grant", _GRANT_REFUSED.format("refresh token"))
    granted = account.granted(token)
    # Without `scope` the answer has what the seller consented to.
    scopes = set(form["scope"].split()) if form.get("scope") else granted
    if not scopes <= granted:
        return _refuse(400, "invalid_scope", _SCOPE_REFUSED)
    return json_answer(
        200,
        {
            "access_token": desk.mint(account, scopes, token),
            "expires_in": world.behaviour.token_lifetime_s,
            "token_type": "User Access Token",
        },
    )


def _has_ended(world: World, account: Account, token: str) -> bool:
    """18 months after the consent."""
    grant = account.grants.get(token)
    return grant is not None and grant.until <= world.clock.now_ms()
