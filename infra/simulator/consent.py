"""The consent page: who signs in, what the application asks for, agree or decline.

Below `/oauth2/`, as on eBay's `auth` host. A browser that is signed in is not asked who it is,
unless the application asks with `prompt=login`; one that has agreed before is sent back at once.
"""

import html
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote

from infra.simulator.accounts import SCOPE, USER_SCOPES, Account
from infra.simulator.answers import NOT_FOUND, Answer, Request, json_answer
from infra.simulator.oauth import CLIENT_ID, CODE_LIFETIME_S, RUNAME, TokenDesk
from infra.simulator.world import World

PREFIX = "/oauth2/"
AUTHORIZE = "/oauth2/authorize"
SIGN_IN = "/oauth2/signin"
CONSENT = "/oauth2/consent"
DONE = "/oauth2/ThirdPartyAuthSucessFailure"
"""eBay's own spelling."""
COOKIE = "simulated_ebay_session"
KNOWN_SCOPES = frozenset(
    [
        *USER_SCOPES,
        *(
            f"{SCOPE}/{name}"
            for name in (
                "sell.marketing",
                "sell.marketing.readonly",
                "sell.analytics.readonly",
                "sell.reputation",
                "sell.stores",
                "commerce.notification.subscription.readonly",
                "commerce.shipping",
            )
        ),
    ]
)
_DECLINED = "The resource owner has declined the request"


@dataclass(frozen=True, slots=True)
class ConsentPage:
    """`agreed`: by seller, what this application was granted before."""

    world: World
    desk: TokenDesk
    agreed: dict[str, set[str]] = field(default_factory=dict)

    def answer(self, request: Request) -> Answer:
        door = _DOORS.get((request.method, request.path))
        if door is None:
            return NOT_FOUND
        wrong = None if request.path == DONE else self._wrong(request)
        with self.world.lock:
            return wrong or door(self, request)

    def _wrong(self, request: Request) -> Answer | None:
        """The parameters come along from page to page, so every page looks at them."""
        asked = _scopes(request)
        usual = {"client_id": CLIENT_ID, "redirect_uri": RUNAME, "response_type": "code"}
        if not asked or any(request.get(name) != value for name, value in usual.items()):
            return _error("invalid_request", "Input request parameters are invalid.")
        if asked & set(self.world.behaviour.keyset_lacks) or not asked <= KNOWN_SCOPES:
            return _error(
                "invalid_scope",
                "The requested scope is invalid, unknown, malformed, or exceeds the scope granted"
                " to the client",
            )
        return None

    def authorize(self, request: Request) -> Answer:
        account = self._signed_in(request)
        if account is None or request.get("prompt") == "login":
            return self._ask_who(request)
        if _scopes(request) <= self.agreed.get(account.name, set()):
            return self._send_back(request, account)
        return self._ask_for_consent(request, account)

    def sign_in(self, request: Request) -> Answer:
        name = _form(request).get("seller", "")
        if name not in {account.name for account in self.world.accounts}:
            return self._ask_who(request)
        cookie = f"{COOKIE}={quote(name)}; Path=/oauth2; HttpOnly; SameSite=Lax"
        return _redirect(f"{CONSENT}?{request.query}", ("Set-Cookie", cookie))

    def consent(self, request: Request) -> Answer:
        account = self._signed_in(request)
        return (
            self._ask_who(request) if account is None else self._ask_for_consent(request, account)
        )

    def decide(self, request: Request) -> Answer:
        account = self._signed_in(request)
        if account is None:
            return self._ask_who(request)
        if _form(request).get("answer") == "agree":
            self.agreed.setdefault(account.name, set()).update(_scopes(request))
            return self._send_back(request, account)
        behaviour = self.world.behaviour
        place = behaviour.declined_url or behaviour.accept_url or request.base_url + DONE
        told = {"error": "access_denied", "error_description": _DECLINED}
        return _redirect(_with(place, told | _state(request)))

    def done(self, request: Request) -> Answer:
        if request.get("code"):
            return _page(
                "Authorization successfully completed.",
                "<p>It's now safe to close the browser window/tab.</p>",
            )
        return _page("Authorization was not completed.", "<p>You can close this window.</p>")

    def _send_back(self, request: Request, account: Account) -> Answer:
        code = self.desk.authorization_code(account, _scopes(request))
        place = self.world.behaviour.accept_url or request.base_url + DONE
        told = _state(request) | {"code": code, "expires_in": str(CODE_LIFETIME_S)}
        return _redirect(_with(place, told))

    def _signed_in(self, request: Request) -> Account | None:
        try:
            cookie = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return None
        known = {quote(account.name): account for account in self.world.accounts}
        return None if cookie is None else known.get(cookie.value)

    def _ask_who(self, request: Request) -> Answer:
        buttons = "".join(
            f'<p><button name="seller" value="{_text(account.name)}">{_text(account.username)}'
            "</button></p>"
            for account in self.world.accounts
        )
        return _page("Sign in", _form_to(SIGN_IN, request, buttons))

    def _ask_for_consent(self, request: Request, account: Account) -> Answer:
        asked = "".join(f"<li>{_text(scope)}</li>" for scope in sorted(_scopes(request)))
        buttons = (
            f'<p>{_text(account.username)} grants:</p><ul>{asked}</ul><p><button name="answer"'
            ' value="agree">Agree and continue</button>'
            ' <button name="answer" value="decline">Decline</button></p>'
        )
        return _page("Grant application access", _form_to(CONSENT, request, buttons))


_DOORS: dict[tuple[str, str], Callable[[ConsentPage, Request], Answer]] = {
    ("GET", AUTHORIZE): ConsentPage.authorize,
    ("POST", SIGN_IN): ConsentPage.sign_in,
    ("GET", CONSENT): ConsentPage.consent,
    ("POST", CONSENT): ConsentPage.decide,
    ("GET", DONE): ConsentPage.done,
}


def _scopes(request: Request) -> frozenset[str]:
    return frozenset((request.get("scope") or "").split())


def _state(request: Request) -> dict[str, str]:
    state = request.get("state")
    return {} if state is None else {"state": state}


def _form(request: Request) -> dict[str, str]:
    fields = parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def _error(code: str, description: str) -> Answer:
    body = {"error_id": code, "error_description": description, "http_status_code": 400}
    return json_answer(400, body)


def _with(place: str, told: dict[str, str]) -> str:
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in told.items())
    mark = "&" if "?" in place else "?"
    return f"{place}{mark}{query}"


def _redirect(place: str, *headers: tuple[str, str]) -> Answer:
    return Answer(302, b"", "text/html", (("Location", place), *headers))


def _form_to(path: str, request: Request, inner: str) -> str:
    return f'<form method="post" action="{_text(path + "?" + request.query)}">{inner}</form>'


def _page(title: str, body: str) -> Answer:
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
        f"<title>{title}</title>"
        f"<h1>{title}</h1><p>This is Cronshot's simulated eBay.</p>{body}</html>"
    )
    return Answer(200, text.encode(), "text/html; charset=utf-8")


def _text(value: str) -> str:
    return html.escape(value, quote=True)
