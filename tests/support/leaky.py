"""The ordinary command line over a library that puts what it was given into its exception.

python -m tests.support.leaky ebay --json
"""

import sys
from typing import Any
from unittest.mock import patch

from core.secret import Secret
from handlers.cli.main import main
from infra.ebay.source import EbayPages


def leak(_: EbayPages, __: Any, ___: Any, ____: Any, token: Secret, *, timeout: float) -> None:
    raise ValueError(f"Illegal header value b'Bearer {token.reveal()}' after {timeout} s")


if __name__ == "__main__":
    with patch.object(EbayPages, "fetch", leak):
        sys.exit(main(sys.argv[1:]))
