"""The ordinary command line over a worker with a mistake in it.

python -m tests.support.broken ebay --json
"""

import sys
from unittest.mock import patch

from core.context import RunContext
from core.report import WorkReport
from core.sync.worker import Selection, SyncAccounts
from handlers.cli.main import main

MISTAKE = "canary: the mistake's own words"


def broken(_: SyncAccounts, __: RunContext, ___: Selection) -> WorkReport:
    raise ZeroDivisionError(MISTAKE)


if __name__ == "__main__":
    with patch.object(SyncAccounts, "run_once", broken):
        sys.exit(main(sys.argv[1:]))
