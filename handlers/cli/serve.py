"""`serve`: the same application as on Lambda, under uvicorn."""

import argparse
import signal
from types import FrameType
from typing import Any

from core.errors import ConfigurationError
from handlers import wiring
from handlers.cli.ready import announce

GRACE_S = 5


def register(commands: Any) -> None:
    serve = commands.add_parser("serve", help="answer /cron/*, /health and /readyz over HTTP")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8000)
    serve.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    """The embedded server, if it is that, stays up as long as this process."""
    try:
        import uvicorn
    except ImportError as error:
        raise ConfigurationError("uvicorn is missing; install the `local` extra") from error

    from handlers import cron

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
            if wiring.STOP.is_set():
                # uvicorn would wait for its threads, and for a second SIGTERM do nothing at all.
                signal.signal(sig, signal.SIG_DFL)
                signal.raise_signal(sig)
            wiring.STOP.set()
            # Not uvicorn's own, which sends the signal to this process again at the end.
            self.should_exit = True

    settings = wiring.load_settings()
    log = wiring.log_for(settings)
    with wiring.opened(settings, log, announce=announce) as ready:
        log.info("database.ready", database=ready.place)
        ready.database.dispose()
        config = uvicorn.Config(
            cron.make_app(settings.base_path),
            host=options.host,
            port=options.port,
            log_config=None,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        server = Server(config)
        log.info("api.started", url=f"http://{options.host}:{options.port}{settings.base_path}")
        server.run()
    log.info("api.stopped")
    return 0 if server.started else 1
