"""The door to the command line: `python -m core.run`."""

import gc
import signal
import sys

OTHER_PYTHON = (
    "error: {}: this Python lacks what Cronshot needs. `make demo` makes one that has it, for"
    " `.venv/bin/python -m core.run ...`\n"
)
EX_CONFIG = 78

if __name__ == "__main__":
    # Until the first module of ours has its own handler there is nothing to save, and a traceback
    # through imports helps nobody.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Modules are never garbage. Without this the collector looks through all of them again and
    # again, at the end of the process too: a third of the time of a run with nothing due.
    gc.disable()
    try:
        from handlers.cli.main import main
    except ImportError as missing:
        if sys.prefix != sys.base_prefix:
            raise
        sys.stderr.write(OTHER_PYTHON.format(missing))
        sys.exit(EX_CONFIG)

    gc.freeze()
    gc.enable()
    sys.exit(main(sys.argv[1:]))
