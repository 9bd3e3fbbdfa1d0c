"""One child process, measured from the outside: wall time, CPU time and peak memory."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What a child may see of our environment: its settings are given, never found.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
LAST_WORDS = 3000


class ChildFailedError(Exception):
    """A contender that does not end well is not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """`wall_s`: from the start of the process to its end, imports included."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def product(module: str, *arguments: str) -> list[str]:
    """Where only that is installed which a user installs: libraries look at what else is there."""
    return [_product_python(), "-m", module, *arguments]


def product_code(code: str) -> list[str]:
    return [_product_python(), "-c", code]


def _product_python() -> str:
    return os.environ.get("PRODUCT_PYTHON", sys.executable)


def environment(given: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "CRONSHOT_ENV_FILE": ""} | dict(given)


def run(command: Sequence[str], *, settings: Mapping[str, str], folder: Path) -> Usage:
    """Run it in `folder`, to its end. Raises ChildFailedError with its last words.

    Linux counts the parent's memory at the fork as the child's, so this process must stay small.
    """
    with (folder / "output").open("w+b") as output, (folder / "errors").open("w+b") as errors:
        began = time.perf_counter()
        child = subprocess.Popen(
            command, cwd=folder, env=environment(settings), stdout=output, stderr=errors
        )
        _, status, used = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        told = output.read().decode(errors="replace")
        if child.returncode != 0:
            last_words = errors.read().decode(errors="replace")[-LAST_WORDS:]
            raise ChildFailedError(
                f"{command[2]} ended with {child.returncode}:\n{told[-LAST_WORDS:]}\n{last_words}"
            )
    return Usage(
        wall_s=wall_s,
        cpu_s=used.ru_utime + used.ru_stime,
        peak_mb=used.ru_maxrss / 1024,
        output=told,
    )
