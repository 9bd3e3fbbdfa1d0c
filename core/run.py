"""The door to the command line: `python -m core.run`."""

import sys

from handlers.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
