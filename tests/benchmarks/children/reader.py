"""Reads every page and keeps nothing: what the simulator can give at most."""

import sys
from collections.abc import Iterator

import httpx

LIST = "/sell/fulfillment/v1/order"
PAGE_SIZE = 200


def pages(client: httpx.Client, api_url: str, token: str, window: str) -> Iterator[bytes]:
    """The bodies from the first page on, until one says that nothing follows."""
    offset = 0
    while True:
        answer = client.get(
            f"{api_url}{LIST}?filter=lastmodifieddate:[{window}]&limit={PAGE_SIZE}&offset={offset}",
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
        )
        answer.raise_for_status()
        yield answer.content
        # In the envelope, which comes before the rows.
        if b'"next":' not in answer.content[:2000]:
            return
        offset += PAGE_SIZE


def main(api_url: str, token: str, window: str) -> None:
    with httpx.Client(trust_env=False) as client:
        sys.stdout.write(f"{sum(len(body) for body in pages(client, api_url, token, window))}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
