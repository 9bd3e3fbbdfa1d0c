"""Which request is which operation, and what eBay's gateway checks before it gets there."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from infra.simulator import (
    disputes_api,
    finances_api,
    fulfillment,
    identity,
    inventory_api,
    notification_api,
    notification_keys,
    post_order,
    signatures,
    signing_api,
    trading,
)
from infra.simulator.accounts import SCOPE
from infra.simulator.answers import (
    INTERNAL_ERROR,
    NOT_FOUND,
    TOO_MANY_REQUESTS,
    WRONG_HOST,
    Answer,
    RefusedError,
    Request,
)
from infra.simulator.oauth import (
    CLIENT_ID,
    TokenDesk,
    account_of_grant,
    answer_revoke,
    answer_token,
)
from infra.simulator.quotas import Quotas
from infra.simulator.refusals import REST, Manners, Refusal
from infra.simulator.trading_calls import CALLS
from infra.simulator.world import World


class Host(StrEnum):
    API = "api"
    APIZ = "apiz"


@dataclass(frozen=True, slots=True)
class Operation:
    """`scopes`: one of them is enough. `user`: an application's token will not do.

    `answer` None: the gateway answers it itself (tokens, rate limits). `call`: the name in the
    header that tells the calls of the Trading API apart, which share one path. `signed`: eBay wants
    message signatures of some sellers.
    """

    name: str
    method: str
    path: re.Pattern[str]
    host: Host
    resource: str = ""
    scopes: frozenset[str] = frozenset()
    user: bool = True
    answer: Callable[[World, Request], Answer] | None = None
    manners: Manners = REST
    call: str = ""
    signed: bool = False


TOKEN = "token"  # noqa: S105 -- the name of an operation
REVOKE = "revokeToken"
RATE_LIMITS = "getRateLimits"
_EU = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
SIGNING_COUNTRIES = frozenset({*_EU.split(), "GB"})
_FULFILLMENT = frozenset({f"{SCOPE}/sell.fulfillment", f"{SCOPE}/sell.fulfillment.readonly"})
_FINANCES = frozenset({f"{SCOPE}/sell.finances"})
_INVENTORY = frozenset({f"{SCOPE}/sell.inventory", f"{SCOPE}/sell.inventory.readonly"})
_DISPUTES = frozenset({f"{SCOPE}/sell.payment.dispute"})
_IDENTITY = frozenset({f"{SCOPE}/commerce.identity.readonly"})


def _path(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern + "/?")


OPERATIONS = (
    Operation(TOKEN, "POST", _path("/identity/v1/oauth2/token"), Host.API),
    Operation(REVOKE, "POST", _path("/identity/v1/oauth2/token/revoke"), Host.API),
    Operation(
        "getOrders",
        "GET",
        _path("/sell/fulfillment/v1/order"),
        Host.API,
        "sell.fulfillment",
        _FULFILLMENT,
        answer=fulfillment.get_orders,
    ),
    Operation(
        "getOrder",
        "GET",
        _path("/sell/fulfillment/v1/order/[^/]+"),
        Host.API,
        "sell.fulfillment",
        _FULFILLMENT,
        answer=fulfillment.get_order,
    ),
    Operation(
        "getInventoryItems",
        "GET",
        _path("/sell/inventory/v1/inventory_item"),
        Host.API,
        "sell.inventory",
        _INVENTORY,
        answer=inventory_api.get_inventory_items,
    ),
    Operation(
        "getOffers",
        "GET",
        _path("/sell/inventory/v1/offer"),
        Host.API,
        "sell.inventory",
        _INVENTORY,
        answer=inventory_api.get_offers,
    ),
    Operation(
        "getPaymentDisputeSummaries",
        "GET",
        _path("/sell/fulfillment/v1/payment_dispute_summary"),
        Host.APIZ,
        "sell.fulfillment.payment_dispute",
        _DISPUTES,
        answer=disputes_api.get_payment_dispute_summaries,
    ),
    Operation(
        "getTransactions",
        "GET",
        _path("/sell/finances/v1/transaction"),
        Host.APIZ,
        "payoutapi.sell.finances",
        _FINANCES,
        answer=finances_api.get_transactions,
        signed=True,
    ),
    Operation(
        "getPayouts",
        "GET",
        _path("/sell/finances/v1/payout"),
        Host.APIZ,
        "payoutapi.sell.finances",
        _FINANCES,
        answer=finances_api.get_payouts,
        signed=True,
    ),
    Operation(
        "getPayout",
        "GET",
        _path("/sell/finances/v1/payout/[^/]+"),
        Host.APIZ,
        "payoutapi.sell.finances",
        _FINANCES,
        answer=finances_api.get_payout,
        signed=True,
    ),
    Operation(
        "getUser",
        "GET",
        _path("/commerce/identity/v1/user"),
        Host.APIZ,
        "commerce.identity",
        _IDENTITY,
        answer=identity.get_user,
    ),
    *(
        Operation(
            name,
            method,
            _path(signing_api.PATH + below),
            Host.APIZ,
            "developer.key_management",
            frozenset({SCOPE}),
            user=False,
            answer=answer,
        )
        for name, method, below, answer in (
            ("createSigningKey", "POST", "", signing_api.create_signing_key),
            ("getSigningKeys", "GET", "", signing_api.get_signing_keys),
            ("getSigningKey", "GET", "/[^/]+", signing_api.get_signing_key),
        )
    ),
    Operation(
        "getPublicKey",
        "GET",
        _path("/commerce/notification/v1/public_key/[^/]+"),
        Host.API,
        "commerce.notification",
        frozenset({SCOPE}),
        user=False,
        answer=notification_keys.get_public_key,
    ),
    *(
        Operation(
            name,
            method,
            _path(f"/commerce/notification/v1{path}"),
            Host.API,
            "commerce.notification",
            frozenset({SCOPE}),
            user=user,
            answer=answer,
        )
        for name, method, path, user, answer in notification_api.CALLS
    ),
    Operation(
        RATE_LIMITS,
        "GET",
        _path("/developer/analytics/v1_beta/rate_limit"),
        Host.API,
        "developer.analytics",
        frozenset({SCOPE}),
        user=False,
    ),
    *(
        Operation(
            search.operation,
            "GET",
            _path(f"{post_order.ROOT}{search.path}/search"),
            Host.API,
            f"post-order.{search.resource}",
            frozenset({SCOPE}),
            answer=post_order.searching(search),
            manners=post_order.POST_ORDER,
        )
        for search in post_order.SEARCHES
    ),
    *(
        Operation(
            search.detail,
            "GET",
            _path(f"{post_order.ROOT}{search.path}/[^/]+"),
            Host.API,
            f"post-order.{search.resource}",
            frozenset({SCOPE}),
            answer=post_order.reading(search),
            manners=post_order.POST_ORDER,
        )
        for search in post_order.SEARCHES
    ),
    *(
        Operation(
            name,
            "POST",
            _path(trading.PATH),
            Host.API,
            name,
            frozenset({SCOPE}),
            answer=trading.answering(call),
            manners=trading.TRADING,
            call=name,
        )
        for name, call in CALLS.items()
    ),
)
OPERATION_NAMES = frozenset(operation.name for operation in OPERATIONS)


def find_operation(request: Request) -> Operation | None:
    for operation in OPERATIONS:
        if (
            operation.method == request.method
            and operation.path.fullmatch(request.path)
            and operation.call in {"", request.headers.get(trading.CALL_NAME)}
        ):
            return operation
    return None


@dataclass(frozen=True, slots=True)
class Gateway:
    """`hosts`: which of eBay's hosts the port that was called stands for."""

    world: World
    desk: TokenDesk
    quotas: Quotas

    def identify(self, operation: Operation, request: Request) -> None:
        """Note whose call it is, for the log and for faults; decides nothing."""
        if operation.name == TOKEN:
            request.account = account_of_grant(self.world, request)
            return
        if operation.call:
            trading.note_place(request)
        bearer = self.desk.read(operation.manners.token(request))
        if bearer:
            request.account, request.scopes = bearer.account, bearer.scopes

    def answer(
        self, operation: Operation | None, request: Request, hosts: frozenset[Host]
    ) -> Answer:
        """1. host, 2. token, 3. scope, 4. signature, 5. quota, 6. the operation itself."""
        if operation is None:
            return NOT_FOUND
        if operation.host not in hosts:
            return WRONG_HOST
        try:
            with self.world.lock:
                if operation.name == TOKEN:
                    return self._answer_token(request)
                if operation.name == REVOKE:
                    return answer_revoke(self.world, request)
                self._admit(operation, request)
                return self._perform(operation, request)
        except RefusedError as refusal:
            return refusal.answer

    def _answer_token(self, request: Request) -> Answer:
        answer = answer_token(self.world, self.desk, request)
        grant = request.body.decode("utf-8", "replace").partition("grant_type=")[2]
        resource = f"oauth.{grant.partition('&')[0]}"
        if answer.status == 200 and not self.quotas.spend(resource):
            return TOO_MANY_REQUESTS
        return answer

    def _admit(self, operation: Operation, request: Request) -> None:
        token = operation.manners.token(request)
        if not token:
            raise self._refused(operation, request, Refusal.MISSING_TOKEN)
        bearer = self.desk.read(token)
        if bearer is None:
            ended = self.desk.has_ended(token)
            refusal = Refusal.EXPIRED_TOKEN if ended else Refusal.INVALID_TOKEN
            raise self._refused(operation, request, refusal)
        request.account, request.scopes = bearer.account, bearer.scopes
        if not operation.scopes & bearer.scopes or (operation.user and bearer.account is None):
            raise self._refused(operation, request, Refusal.ACCESS_DENIED)
        if operation.signed and self._wants_signature(request):
            self._check_signature(request)
        if not self.quotas.spend(operation.resource):
            raise self._refused(operation, request, Refusal.TOO_MANY_REQUESTS)

    def _wants_signature(self, request: Request) -> bool:
        return self.world.behaviour.signatures and request.seller.country in SIGNING_COUNTRIES

    def _check_signature(self, request: Request) -> None:
        """Raises RefusedError."""
        now_s, window_s = self.world.clock.now_ms() / 1000, self.world.behaviour.signature_window_s
        try:
            signatures.check(
                request,
                master=self.world.secret(signing_api.MASTER),
                app_id=CLIENT_ID,
                is_timely=lambda created: abs(created - now_s) <= window_s,
            )
        except signatures.SignatureRefusedError as refused:
            raise RefusedError(refused.answer) from refused

    def _refused(self, operation: Operation, request: Request, refusal: Refusal) -> RefusedError:
        status = self.world.behaviour.missing_token_status
        return RefusedError(operation.manners.refuse(request, refusal, status))

    def _perform(self, operation: Operation, request: Request) -> Answer:
        if operation.name == RATE_LIMITS:
            return self.quotas.answer_rate_limits(request)
        return operation.answer(self.world, request) if operation.answer else INTERNAL_ERROR
