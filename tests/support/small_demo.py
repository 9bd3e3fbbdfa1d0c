"""The ordinary command line, whose demonstration has fewer orders: where their number is no matter.

python -m tests.support.small_demo demo
"""

import sys
from unittest.mock import patch

from handlers.cli import demo
from handlers.cli.main import main

ORDERS = 150

if __name__ == "__main__":
    with patch.object(demo, "ORDERS", ORDERS):
        sys.exit(main(sys.argv[1:]))
