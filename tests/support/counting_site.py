"""Somebody else's server on loopback: it counts what it is asked for, and sometimes refuses."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REFUSED = 503


@dataclass
class CountingSite:
    """`requests` by what was asked and for which job. `refuses`: each so many'th `call`, the first
    one too; 0: none. A refused request counts: it was made.
    """

    address: str = ""
    refuses: int = 0
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: int = 0
    _calls: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def asked(self, path: str) -> int:
        """The answer's status."""
        _, what, job_id, _ = path.split("/")
        with self._lock:
            self.requests[what, job_id] += 1
            if what == "call" and self._is_refused():
                self.refused += 1
                return REFUSED
        return 200

    def _is_refused(self) -> bool:
        self._calls += 1
        return self.refuses > 0 and self._calls % self.refuses == 1

    def of(self, what: str) -> dict[str, int]:
        with self._lock:
            return {
                job_id: times for (asked, job_id), times in self.requests.items() if asked == what
            }


@contextmanager
def counting_site(refuses: int = 0) -> Iterator[CountingSite]:
    site = CountingSite(refuses=refuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(site.asked(self.path))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *about: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        # Many workers come at once, and killed ones leave connections behind.
        request_queue_size = 128

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        site.address = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
