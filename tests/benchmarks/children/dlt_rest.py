"""dlt as its documentation shows it: the rest_api source, PostgreSQL, merge by primary key."""

import sys
from typing import Any

import dlt
from dlt.destinations import postgres
from dlt.sources.rest_api import rest_api_source

LIST = "sell/fulfillment/v1/order"
OVERLAP_S = 1800


def to_milliseconds(instant: str) -> str:
    """eBay refuses the microseconds that dlt writes."""
    return f"{instant[:23].rstrip('Z')}Z"


def source(api_url: str, token: str, start: str, end: str, nesting: int | None, how: str) -> Any:
    """`how` is `incremental` (the cursor stands in dlt's state) or `full` (all of it again)."""
    since = "{incremental.start_value}" if how == "incremental" else start
    endpoint: dict[str, Any] = {
        "path": LIST,
        "params": {"filter": f"lastmodifieddate:[{since}..{end}]"},
        "data_selector": "orders",
        "paginator": {"type": "offset", "limit": 200, "total_path": "total"},
    }
    if how == "incremental":
        endpoint["incremental"] = {
            "cursor_path": "lastModifiedDate",
            "initial_value": start,
            # It reads the same stretch before the cursor again as we do.
            "lag": OVERLAP_S,
            "convert": to_milliseconds,
        }
    orders = {
        "name": "orders",
        "primary_key": "orderId",
        "write_disposition": "merge",
        "endpoint": endpoint,
    }
    config: Any = {
        "client": {"base_url": api_url, "auth": {"type": "bearer", "token": token}},
        "resources": [orders],
    }
    limits = {} if nesting is None else {"max_table_nesting": nesting}
    return rest_api_source(config, **limits)


def main(api_url: str, token: str, window: str, address: str, nesting: str, how: str) -> None:
    start, end = window.split("..")
    pipeline = dlt.pipeline("orders", destination=postgres(credentials=address), dataset_name="dlt")
    limit = None if nesting == "default" else int(nesting)
    pipeline.run(source(api_url, token, start, end, limit, how)).raise_on_failed_jobs()


if __name__ == "__main__":
    main(*sys.argv[1:])
