"""Which module of the command line has which command."""

import argparse
import gc
import importlib
import io
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from handlers.cli.main import GROUPS, main, parser

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("group", GROUPS)
def test_a_module_has_the_commands_that_it_is_imported_for(group: str) -> None:
    whole = argparse.ArgumentParser()
    commands = whole.add_subparsers()

    importlib.import_module(f"handlers.cli.{group}").register(commands)

    assert tuple(commands.choices) == GROUPS[group]


def test_every_command_is_listed_where_none_is_typed() -> None:
    listed = parser().format_help()

    assert [name for names in GROUPS.values() for name in names if name not in listed] == []


def test_a_run_imports_no_other_command() -> None:
    asked = "import sys; from handlers.cli.main import parser; parser('ebay'); print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert [group for group in GROUPS if f"handlers.cli.{group}" in loaded] == ["workers"]


def typed(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[object, str, str]:
    bodies = io.BytesIO(), io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(bodies[0]))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(bodies[1]))
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    told, shown = (body.getvalue().decode() for body in bodies)
    return ended.value.code, told, shown


def test_who_types_no_command_is_shown_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    code, told, shown = typed(monkeypatch)

    assert (code, told) == (2, "")
    assert [name for names in GROUPS.values() for name in names if name not in shown] == []


def test_who_types_no_action_is_shown_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    code, told, shown = typed(monkeypatch, "accounts")

    assert (code, told) == (2, "")
    for action in ("connect", "list", "disconnect", "import"):
        assert f"\n    {action}" in shown


@pytest.mark.parametrize(
    ("command", "meant"), [("acounts", "`accounts`"), ("que", "`queue`"), ("stream", "`streams`")]
)
def test_a_mistyped_command_is_guessed(
    monkeypatch: pytest.MonkeyPatch, command: str, meant: str
) -> None:
    code, _, shown = typed(monkeypatch, command, "list")

    assert code == 2
    assert f"there is no command '{command}'; did you mean {meant}?" in shown
    assert "--help` says more" in shown


def test_a_command_that_resembles_none_is_refused_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, _, shown = typed(monkeypatch, "\x1b[2Jxyz")

    assert code == 2
    assert "there is no command ' [2Jxyz'; `" in shown


def test_help_is_a_command_too(monkeypatch: pytest.MonkeyPatch) -> None:
    code, told, _ = typed(monkeypatch, "help")

    assert code == 0
    assert "Exit codes:" in told


def test_a_missing_flag_says_where_to_read_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, shown = typed(monkeypatch, "accounts", "connect")

    assert "required: --name; `" in shown
    assert "-m core.run accounts connect --help` says more" in shown


def test_a_python_without_the_libraries_says_which_has_them() -> None:
    bare = [str(Path(sys.executable).resolve()), "-S", "-m", "core.run", "runs"]

    # An interpreter may need the rest to start at all.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    ended = subprocess.run(bare, cwd=ROOT, env=kept, capture_output=True, text=True, check=False)

    assert ended.returncode == 78
    [line] = ended.stderr.splitlines()
    assert line.startswith("error: No module named ")
    assert "`.venv/bin/python -m core.run ...`" in line


class Interrupted:
    """A module in whose import somebody presses Ctrl-C."""

    @property
    def main(self) -> object:
        raise KeyboardInterrupt


def test_ctrl_c_while_modules_are_imported_shows_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "handlers.cli.main", Interrupted())

    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "core/run.py"), run_name="__main__")

    gc.enable()
    assert ended.value.code == 130


def test_ctrl_c_while_a_command_is_imported_shows_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("handlers.cli.main.importlib", Interrupted())
    monkeypatch.setattr(Interrupted, "import_module", Interrupted.main, raising=False)

    assert main(["runs"]) == 130
