"""Import each module named on the command line in a process of its own; say what went wrong.

Run as a script. A fork per module starts from an interpreter that has imported nothing of ours, in
a tenth of the time of a new process.
"""

import importlib
import os
import sys
import threading
import traceback
from types import FrameType
from typing import Any

OURS = {"core", "handlers", "infra"}
EFFECTS = {"socket.connect", "socket.bind", "subprocess.Popen", "os.system", "sqlite3.connect"}


class WatchedEnvironment(dict[str, str]):
    """Refuses to be read by a module of ours that is being imported."""

    def __getitem__(self, key: str) -> str:
        self._refuse(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._refuse(key)
        return super().get(key, default)

    def _refuse(self, key: str) -> None:
        if not key.startswith("PYDANTIC_"):  # its own, read when a class is defined
            refuse_if_ours(f"read {key} from the environment")

    def __iter__(self) -> Any:
        refuse_if_ours("read the environment")
        return super().__iter__()


def refuse_if_ours(deed: str) -> None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith("importlib._bootstrap"):
            return  # a library that is being imported reads its own settings
        if name.split(".", maxsplit=1)[0] in OURS:
            raise RuntimeError(f"{name} {deed} at import")
        frame = frame.f_back


def refuse_effects(event: str, arguments: tuple[Any, ...]) -> None:
    if event in EFFECTS:
        raise RuntimeError(f"{event} {arguments} at import")


def import_alone(name: str) -> None:
    sys.addaudithook(refuse_effects)
    vars(os)["environ"] = WatchedEnvironment(os.environ)
    importlib.import_module(name)
    if threading.active_count() > 1:
        raise RuntimeError(f"{name} started {threading.enumerate()} at import")


def main(names: list[str]) -> int:
    failed = 0
    for name in names:
        child = os.fork()
        if child == 0:
            try:
                import_alone(name)
            except BaseException:
                sys.stderr.write(f"{name}:\n{traceback.format_exc()}\n")
                sys.stderr.flush()
                os._exit(1)
            os._exit(0)
        failed += os.waitpid(child, 0)[1] != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
