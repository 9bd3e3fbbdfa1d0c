"""The door to the command line: `python -m core.run`."""

import gc
import sys

if __name__ == "__main__":
    # Modules are never garbage. Without this the collector looks through all of them again and
    # again, at the end of the process too: a third of the time of a run with nothing due.
    gc.disable()
    from handlers.cli.main import main

    gc.freeze()
    gc.enable()
    sys.exit(main(sys.argv[1:]))
