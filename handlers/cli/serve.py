"""`serve`: the same application as on Lambda, under uvicorn."""

import argparse
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from core.errors import ConfigurationError, TransientError
from handlers import opening
from handlers.cli.arguments import port
from handlers.cli.ready import announce

GRACE_S = 5
BACKLOG = 2048


def register(commands: Any) -> None:
    serve = commands.add_parser(
        "serve", help="answer /cron/*, /api/*, /ebay/connect, /health and /readyz over HTTP"
    )
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=port, default=8000, help="0: any free one")
    serve.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    """The embedded server, if it is that, stays up as long as this process.

    What is told to have started listens: a call that comes at once waits until it is served.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise ConfigurationError("uvicorn is missing; install the `local` extra") from error

    from handlers import api, connect, cron, telegram, web, webhooks

    areas = (cron, webhooks, connect)

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
            if opening.STOP.is_set():
                # uvicorn would wait for its threads, and for a second SIGTERM do nothing at all.
                signal.signal(sig, signal.SIG_DFL)
                signal.raise_signal(sig)
            opening.STOP.set()
            # Not uvicorn's own, which sends the signal to this process again at the end.
            self.should_exit = True

        async def on_tick(self, counter: int) -> bool:
            # A signal that came before uvicorn listened to signals.
            return await super().on_tick(counter) or opening.STOP.is_set()

    settings = opening.load_settings()
    log = opening.log_for(settings)
    with (
        listening(options.host, options.port) as listener,
        opening.opened(settings, log, announce=announce) as ready,
    ):
        log.info("database.ready", database=ready.place)
        ready.database.dispose()
        config = uvicorn.Config(
            web.make_app(
                [
                    *api.routes(ready),
                    *telegram.routes(ready),
                    *(route for area in areas for route in area.routes()),
                ],
                settings.base_path,
            ),
            log_config=None,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        server = Server(config)
        log.info("api.started", url=f"http://{address_of(listener)}{settings.base_path}")
        if not settings.cron_secrets:
            log.warning("cron.closed", why="CRON_SECRET is not set, so /cron/* answers 503")
        if not settings.api_tokens:
            log.warning("api.closed", why="API_TOKEN is not set, so /api/* answers 503")
        if settings.telegram_webhook_secret and not settings.telegram_allowed_chat_ids:
            log.warning(
                "telegram.closed", why="TELEGRAM_ALLOWED_CHAT_IDS is not set: none is obeyed"
            )
        server.run(sockets=[listener])
    log.info("api.stopped")
    return 0 if server.started else 1


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Raises TransientError where somebody else has the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise TransientError(
            f"{host} port {port} cannot be listened on: {error.strerror or error};"
            " --host and --port choose another"
        ) from error
    with listener:
        yield listener


def address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
