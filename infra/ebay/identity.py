"""Whose token it is.

https://developer.ebay.com/api-docs/commerce/identity/resources/user/methods/getUser
"""

import re
from dataclasses import dataclass

import msgspec

from core.clock import Clock
from core.secret import Secret
from core.sync.model import Environment
from infra.ebay.client import EbayHttp
from infra.ebay.errors import bad_answer, refusal, unreadable
from infra.ebay.hosts import EbayHosts
from infra.ebay.stream_api import SCOPE

USER_PATH = "/commerce/identity/v1/user/"
_SCOPE = f"{SCOPE}/commerce.identity.readonly"
_COUNTRY = re.compile(r"[A-Z]{2}")
_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class EbayUser:
    """`user_id` never changes; `username` may, and US users may show none.

    `country`: of the address of a business, which is public, or of a person where the consent
    shows it; two letters (ISO 3166-1).
    """

    user_id: str
    username: str | None
    registration_marketplace_id: str | None
    country: str | None = None


class _User(msgspec.Struct, rename="camel"):
    user_id: str
    username: str | None = None
    registration_marketplace_id: str | None = None
    # Nobody needs them to go on, so odd ones are no reason to refuse the token.
    business_account: object = None
    individual_account: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    http: EbayHttp
    hosts: EbayHosts
    clock: Clock

    def user(self, environment: Environment, token: Secret, *, timeout: float) -> EbayUser:
        """Raises what PageSource.fetch raises."""
        answer = self.http.request(
            "GET",
            self.hosts.of(environment).apiz + USER_PATH,
            headers={"Authorization": f"Bearer {token.reveal()}", "Accept": "application/json"},
            timeout=timeout,
        )
        secrets = (token.reveal(),)
        if answer.status != _OK:
            raise refusal(answer, scope=_SCOPE, now=self.clock.now(), secrets=secrets)
        try:
            user = msgspec.json.decode(answer.body, type=_User)
        except msgspec.ValidationError as error:
            raise bad_answer(answer, str(error), secrets) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise unreadable(answer, "it is no whole JSON text", secrets) from error
        return EbayUser(
            user_id=user.user_id,
            username=user.username,
            registration_marketplace_id=user.registration_marketplace_id,
            country=_country(user.business_account, "address")
            or _country(user.individual_account, "registrationAddress"),
        )


def _country(account: object, address: str) -> str | None:
    held = account.get(address) if isinstance(account, dict) else None
    code = held.get("country") if isinstance(held, dict) else None
    return code if isinstance(code, str) and _COUNTRY.fullmatch(code) else None
