"""The door to the command line: `python -m core.run`."""

import gc
import sys

OTHER_PYTHON = (
    "error: {}: this Python lacks what Cronshot needs. `make demo` makes one that has it, for"
    " `.venv/bin/python -m core.run ...`\n"
)
EX_CONFIG, INTERRUPTED = 78, 130

if __name__ == "__main__":
    # Modules are never garbage. Without this the collector looks through all of them again and
    # again, at the end of the process too: a third of the time of a run with nothing due.
    gc.disable()
    try:
        from handlers.cli.main import main
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except ImportError as missing:
        if sys.prefix != sys.base_prefix:
            raise
        sys.stderr.write(OTHER_PYTHON.format(missing))
        sys.exit(EX_CONFIG)

    gc.freeze()
    gc.enable()
    sys.exit(main(sys.argv[1:]))
