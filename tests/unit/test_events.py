"""Who called, by what Lambda was handed."""

from typing import Any

import pytest

from core.report import Trigger
from handlers.events import trigger_of
from tests.support.lambda_runtime import schedule_event
from tests.support.ways import rule

SCHEDULE = schedule_event("ebay-cycle", "2026-11-22T05:00:00Z")
SCHEDULED = f"{SCHEDULE['schedule_arn']} 2026-11-22T05:00:00Z"


@pytest.mark.parametrize(
    ("event", "via", "delivery_id"),
    [
        (SCHEDULE, "schedule", SCHEDULED),
        (SCHEDULE | {"id": "x", "detail-type": "y"}, "schedule", SCHEDULED),
        (rule(), "rule", "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa"),
        ({"Records": [{"messageId": "m-1"}, {"messageId": "m-2"}]}, "sqs", "m-1"),
        ({}, "lambda", None),
        ({"schedule_arn": "arn"}, "lambda", None),
        ({"id": "x"}, "lambda", None),
        ({"detail-type": "x"}, "lambda", None),
        ({"Records": []}, "lambda", None),
        ({"Records": [None]}, "lambda", None),
        ({"Records": [{"messageId": ""}]}, "lambda", None),
        ({"Records": {"messageId": "m"}}, "lambda", None),
    ],
)
def test_a_delivery_is_named_by_what_stays_the_same_when_it_comes_again(
    event: dict[str, Any], via: str, delivery_id: str | None
) -> None:
    assert trigger_of(event) == Trigger(via=via, delivery_id=delivery_id)


def test_two_ticks_of_one_schedule_are_two_deliveries() -> None:
    later = schedule_event("ebay-cycle", "2026-11-22T05:05:00Z")

    assert trigger_of(SCHEDULE).delivery_id != trigger_of(later).delivery_id
