"""A seller's consent: the page that asks for it, the code for tokens, and its end.

https://developer.ebay.com/api-docs/static/oauth-authorization-code-grant.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from core.connect.model import Consent
from core.errors import BadAnswerError, ConfigurationError, ReauthorizationRequiredError
from core.secret import Secret
from core.sync.model import Environment
from infra.ebay.errors import unreadable
from infra.ebay.oauth import TOKEN_PATH, Granted, OAuth, grant_of, read_granted

REVOKE_PATH = f"{TOKEN_PATH}/revoke"


@dataclass(frozen=True, slots=True, kw_only=True)
class EbayConsents:
    """The ports `Consents` and `Revoker`. `runames` lacks the environments that are not set."""

    oauth: OAuth
    runames: Mapping[Environment, str]

    def check(self, environment: str) -> None:
        self.oauth.keys_of(Environment(environment))
        self.oauth.hosts.of(Environment(environment))
        self._runame(Environment(environment))

    def link(self, environment: str, scopes: Sequence[str], state: Secret) -> str:
        where = Environment(environment)
        told = {
            "client_id": self.oauth.keys_of(where).client_id,
            "redirect_uri": self._runame(where),
            "response_type": "code",
            "scope": " ".join(scopes),
            "state": state.reveal(),
            # Else the seller who is signed in is connected, and no second one ever is.
            "prompt": "login",
        }
        # Not `urlencode`: eBay's pages take a space as %20 only.
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in told.items())
        return f"{self.oauth.hosts.consent_page(where)}?{query}"

    def exchange(self, environment: str, code: Secret, *, timeout: float) -> Consent:
        where = Environment(environment)
        form = {
            "grant_type": "authorization_code",
            "code": code.reveal(),
            "redirect_uri": self._runame(where),
        }
        answer, secrets = self.oauth.post(where, form, timeout=timeout)
        return _consent(read_granted(answer, secrets))

    def revoke(self, environment: str, refresh_token: Secret, *, timeout: float) -> None:
        form = {"token": refresh_token.reveal(), "token_type_hint": "refresh_token"}
        where = Environment(environment)
        try:
            answer, secrets = self.oauth.post(where, form, timeout=timeout, path=REVOKE_PATH)
        except ReauthorizationRequiredError:
            # It ended before: what was to be reached is so.
            return
        if answer.body.lstrip().startswith(b"<"):
            raise unreadable(answer, "it does not say that the token was revoked", secrets)

    def _runame(self, environment: Environment) -> str:
        runame = self.runames.get(environment)
        if not runame:
            raise ConfigurationError(
                f"EBAY_{environment.upper()}_RUNAME is not set: connecting needs the RuName of the"
                " keyset (https://developer.ebay.com/my/auth, User Tokens); docs/connect.md shows"
                " the way"
            )
        return runame


def _consent(granted: Granted) -> Consent:
    grant = grant_of(granted)
    if grant.refresh_token is None:
        raise BadAnswerError("eBay granted no refresh token, so the account cannot be kept")
    told = granted.scope.split() if isinstance(granted.scope, str) else []
    return Consent(
        access_token=grant.access_token,
        expires_in=grant.expires_in,
        refresh_token=grant.refresh_token,
        refresh_token_expires_in=grant.refresh_token_expires_in,
        scopes=tuple(dict.fromkeys(told)) or None,
    )
