"""Command lines in processes of their own, forked from a warm interpreter.

A process costs 20 ms of the processor then instead of a second of imports. It is one as any other:
its own number, streams, signals and death. What it does not show is the start of an interpreter;
tests of that start one.

    python -m tests.support.forked FD

serves the socket FD: for each message with four file descriptors (stdin, stdout, stderr, a
conversation) a process is forked. The conversation brings its arguments as one line of JSON, and
is told its number, each time that it is frozen, and at last its status, a line each.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("core", "handlers", "infra")
DOOR = "core.run"
LATE = (
    "tests.support.crash_points",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
)
"""What `serve` imports by name when it runs."""
OF_THE_START = ("PYTHON", "COV", "LC_")
"""Variables that an interpreter reads when it starts; coverage measures one from there."""
FAILED_AT_EXIT = 120
MOST_FILES = 4096
STOPPED = b"stopped\n"
LINES = 1


def popen(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    folder: Path = ROOT,
    fresh: bool = False,
    **options: Any,
) -> subprocess.Popen[str]:
    """`python COMMAND…` in `folder`, forked where that makes no difference to it.

    `fresh`: by an interpreter of its own all the same.
    """
    kind = subprocess.Popen if fresh or not _may_be_forked(command, env) else Forked
    return kind([sys.executable, *command], cwd=folder, env=dict(env), text=True, **options)


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout: float,
    folder: Path = ROOT,
    typed: str | None = None,
    fresh: bool = False,
) -> subprocess.CompletedProcess[str]:
    """`typed`: what it reads from its standard input, which is empty else."""
    streams = {
        "stdin": subprocess.DEVNULL if typed is None else subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    with popen(command, env=env, folder=folder, fresh=fresh, **streams) as process:
        try:
            told = process.communicate(typed, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, *told)


def _may_be_forked(command: Sequence[str], env: Mapping[str, str]) -> bool:
    same_language = env.get("LANG") == os.environ.get("LANG")
    others = dict(env.items() - {("PYTHONPATH", str(ROOT))})
    return (
        command[0] == "-m"
        and same_language
        and not any(name.startswith(OF_THE_START) for name in others)
    )


class Forked(subprocess.Popen[str]):
    """Another process starts and buries it; all else is as of any `Popen`."""

    def _execute_child(self, args: Sequence[str], *rest: Any) -> None:
        # In the order of `subprocess.Popen.__init__`, from `executable` on.
        _, _, _, _, cwd, env, _, _, _, *pipes = rest[:15]
        stdin, _, _, stdout, _, stderr = pipes
        self._conversation, theirs = socket.socketpair()
        given = [stdin, stdout, stderr]
        places = [own if end == -1 else end for own, end in enumerate(given)]
        socket.send_fds(_server().requests, [b"!"], [*places, theirs.fileno()])
        theirs.close()
        self._stops = 0
        # Unbuffered, for `select` does not see a second line that was read with the first.
        self._lines = self._conversation.makefile("rb", buffering=0)
        request = {"command": list(args[1:]), "environment": dict(env), "folder": str(cwd)}
        self._conversation.sendall(json.dumps(request).encode() + b"\n")
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]  # as the original does
        self.pid = int(self._lines.readline())
        self._child_created = True

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self._wait(0)
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        self._listen(timeout, lambda: self.returncode is not None)
        return int(self.returncode)

    def wait_until_stopped(self, timeout: float) -> bool:
        """Until it is frozen once more (True), or has ended."""
        before = self._stops
        self._listen(timeout, lambda: self._stops > before or self.returncode is not None)
        return self._stops > before

    def _listen(self, timeout: float | None, enough: Callable[[], bool]) -> None:
        ends = None if timeout is None else time.monotonic() + timeout
        while not enough():
            left = None if ends is None else max(ends - time.monotonic(), 0)
            if not select.select([self._conversation], [], [], left)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            told = self._lines.readline()
            if told == STOPPED:
                self._stops += 1
            else:
                self.returncode = int(told)
                self._lines.close()
                self._conversation.close()


@dataclass(frozen=True)
class Server:
    """It ends when this process does, for then the socket ends."""

    process: subprocess.Popen[bytes]
    requests: socket.socket

    def close(self) -> None:
        self.requests.close()
        self.process.wait()


_first = threading.Lock()


def _server() -> Server:
    with _first:
        return _started()


@cache
def _started() -> Server:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forked", str(theirs.fileno())],
            cwd=ROOT,
            env=_without_those_of_the_start(),
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
        )
    server = Server(process, ours)
    atexit.register(server.close)
    return server


def _without_those_of_the_start() -> dict[str, str]:
    """As of the processes that are forked: they leave compiled modules behind for the next one."""
    return {name: text for name, text in os.environ.items() if not name.startswith(OF_THE_START)}


def warm_up() -> None:
    """Import what any command may want, so that those who are forked need not."""
    for name in PRODUCT:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if module.name != DOOR:
                importlib.import_module(module.name)
    for name in LATE:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def serve(requests: socket.socket) -> None:
    warm_up()
    alive: dict[int, socket.socket] = {}
    woken, waker = socket.socketpair()
    woken.setblocking(False)
    waker.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([requests, woken], [], [])
        if woken in ready:
            with suppress(BlockingIOError):
                woken.recv(4096)
            _bury(alive)
        if requests in ready:
            _, given, _, _ = socket.recv_fds(requests, 1, 4)
            if not given:
                return
            _fork(given, alive)


def _bury(alive: dict[int, socket.socket]) -> None:
    while alive:
        pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        if pid == 0:
            return
        if os.WIFSTOPPED(status):
            with suppress(OSError):
                alive[pid].sendall(STOPPED)
            continue
        with alive.pop(pid) as conversation, suppress(OSError):
            conversation.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _fork(given: Sequence[int], alive: dict[int, socket.socket]) -> None:
    *streams, talk = given
    pid = os.fork()
    if pid == 0:
        os._exit(_child(streams, talk))
    for stream in streams:
        os.close(stream)
    conversation = alive[pid] = socket.socket(fileno=talk)
    conversation.sendall(b"%d\n" % pid)


def _child(streams: Sequence[int], talk: int) -> int:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with os.fdopen(talk, "rb", closefd=False) as conversation:
        asked = json.loads(conversation.readline())
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, MOST_FILES)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    sys.stdin = _stream(0, "r", sys.stdin)
    sys.stdout = _stream(1, "w", sys.stdout)
    sys.stderr = _stream(2, "w", sys.stderr, LINES)
    _, module, *arguments = asked["command"]
    return _ended(module, arguments)


def _stream(number: int, mode: str, like: TextIO, buffering: int = -1) -> Any:
    return os.fdopen(
        number, mode, buffering, encoding=like.encoding, errors=like.errors, closefd=False
    )


def _ended(module: str, arguments: Sequence[str]) -> int:
    """The exit code, as the interpreter finds it."""
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code: Any = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
        code = 1
    return _finished(code or 0)


def _finished(code: int) -> int:
    """What the interpreter does before it ends, but for the cleaning up of memory."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return FAILED_AT_EXIT
    return code


if __name__ == "__main__":
    # Ctrl-C is meant for whoever runs the tests.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        serve(asked)
