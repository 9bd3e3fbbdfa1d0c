"""A bot that sends messages. Its token stands in the address, which is why none is ever shown.

https://core.telegram.org/bots/api#making-requests
"""

from dataclasses import dataclass

from core.jobs.shipped.answers import NoAnswer, NotSent
from core.jobs.shipped.telegram import BotAnswer, ChatMessage
from core.secret import Secret
from infra.http.client import BoundedHttp
from infra.telegram.call import Told, call, object_of, seconds, whole

_TAKEN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramBot:
    """The `Bot` port. `base` is https://api.telegram.org, or a server of one's own."""

    http: BoundedHttp
    base: str
    token: Secret

    def send(self, message: ChatMessage, /) -> BotAnswer | NotSent | NoAnswer:
        told = call(
            self.http,
            self.base,
            self.token,
            "sendMessage",
            {
                "chat_id": message.chat_id,
                "text": message.text,
                "disable_notification": message.silent,
                "link_preview_options": {"is_disabled": True},
            },
        )
        return _answer(told) if isinstance(told, Told) else told


def _answer(told: Told) -> BotAnswer:
    if told.is_success:
        return BotAnswer(code=_TAKEN, message_id=whole(told.result, "message_id"))
    parameters = object_of(told.answer.get("parameters"))
    return BotAnswer(
        code=told.code,
        description=told.description,
        retry_after_s=seconds(parameters.get("retry_after")),
        migrated_to=whole(parameters, "migrate_to_chat_id"),
    )
