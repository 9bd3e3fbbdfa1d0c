"""eBay's side of webhooks: the challenge, and notifications that are sent again."""

import hashlib
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from infra.simulator.accounts import Account
from infra.simulator.clock import iso
from infra.simulator.notification_keys import signature_header
from infra.simulator.world import World

TRIES = 3
PATIENCE_S = 5.0
Data = dict[str, Any]


class ChallengeFailedError(ValueError):
    pass


class Notifier:
    """Sends to the endpoint that passed its challenge last. `statuses` 0: no answer at all."""

    def __init__(self, world: World, endpoint: str = "") -> None:
        self._world = world
        self._endpoint = endpoint
        self._count = 0

    def register(self, endpoint: str, word: str) -> None:
        """As eBay does when an endpoint is saved. Raises ChallengeFailedError."""
        code = self._number("challenge")
        status, body = self._call("GET", endpoint, query=urlencode({"challenge_code": code}))
        wanted = hashlib.sha256((code + word + endpoint).encode()).hexdigest()
        try:
            answered = json.loads(body)["challengeResponse"] if status == 200 else None
        except (ValueError, KeyError, TypeError):
            answered = None
        if answered != wanted:
            raise ChallengeFailedError(f"{endpoint} answered the challenge with {status}")
        self._endpoint = endpoint

    def new_id(self) -> str:
        return f"{self._number('id')}_{self._number('id')}"

    def send(
        self,
        topic: str,
        data: Mapping[str, Any],
        *,
        notification_id: str | None = None,
        schema_version: str | None = "1.0",
        first_try: int = 1,
    ) -> list[int]:
        """The statuses answered: the same notification again until one is 2xx, thrice at most."""
        told = notification_id or self.new_id()
        statuses: list[int] = []
        for attempt in range(first_try, TRIES + 1):
            body = self.body(topic, data, told, schema_version=schema_version, attempt=attempt)
            statuses.append(self.post(body, signature_header(self._world, body)))
            if 200 <= statuses[-1] < 300:
                break
        return statuses

    def body(
        self,
        topic: str,
        data: Mapping[str, Any],
        notification_id: str,
        *,
        schema_version: str | None = "1.0",
        attempt: int = 1,
    ) -> bytes:
        now = iso(self._world.clock.now_ms())
        message = {
            "metadata": {"topic": topic, "schemaVersion": schema_version, "deprecated": False},
            "notification": {
                "notificationId": notification_id,
                "eventDate": now,
                "publishDate": now,
                "publishAttemptCount": attempt,
                "data": data,
            },
        }
        return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()

    def sign(self, body: bytes) -> str:
        return signature_header(self._world, body)

    def post(self, body: bytes, header: str) -> int:
        status, _ = self._call("POST", self._endpoint, body=body, header=header)
        return status

    @staticmethod
    def deletion(username: str, user_id: str, eias_token: str = "") -> tuple[str, Data]:
        data = {"username": username, "userId": user_id, "eiasToken": eias_token}
        return "MARKETPLACE_ACCOUNT_DELETION", data

    def about(self, account: Account, topic: str) -> Data:
        """What a seller's topic tells of its latest order."""
        seller = {"userId": account.user_id, "username": account.username}
        order = account.ledger.orders[-1]
        about: Data
        lines = [{"orderLineItemId": each.line_id} for each in order.lines]
        activity = {"activityDate": iso(self._world.clock.now_ms())}
        match topic:
            case "ORDER_CONFIRMATION":
                about = {"orderId": order.order_id, "orderLineItems": lines}
                return {"user": seller, "order": about}
            case "ORDER_RETURN_ACTIVITY":
                about = {"returnId": "5000000002", "seller": seller, "returnLineItems": lines}
                return activity | {"activityType": "RETURN_REQUESTED", "orderReturn": about}
            case "ORDER_INQUIRY_ACTIVITY":
                # In real life without the name.
                about = {"inquiryId": "5000000000", "seller": {"userId": account.user_id}}
                return activity | {"activityType": "INQUIRY_CREATED", "orderInquiry": about}
            case "ORDER_CANCELLATION_ACTIVITY":
                about = {"cancellationId": "5000000008", "seller": seller}
                told = {"activityType": "CANCELLATION_REQUESTED", "orderCancellation": about}
                return activity | told
            case "NEW_MESSAGE":
                return self._message(account)
            case _:
                return seller | {"revokeReason": "REVOKED_BY_USER"}

    def _message(self, account: Account) -> Data:
        message = account.mailbox.messages[-1]
        return {
            "conversationId": "9394020427474",
            "conversationType": "FROM_MEMBERS",
            "createdDate": iso(message.sent),
            "messageBody": message.text,
            "messageId": message.message_id,
            "messageMedia": [{"mediaName": "", "mediaType": "", "mediaUrl": ""}],
            "readStatus": False,
            "recipientUserName": account.username,
            "senderUserName": message.other,
            "subject": "",
        }

    def _number(self, purpose: str) -> str:
        self._count += 1
        return str(UUID(bytes=self._world.secret(f"{purpose}/{self._count}")[:16], version=4))

    @staticmethod
    def _call(
        method: str, url: str, *, query: str = "", body: bytes = b"", header: str = ""
    ) -> tuple[int, bytes]:
        parts = urlsplit(url)
        line = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_S)
        headers = {"X-EBAY-SIGNATURE": header, "Content-Type": "application/json"} if header else {}
        try:
            line.request(method, f"{parts.path}?{query}" if query else parts.path, body, headers)
            answer = line.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            line.close()
