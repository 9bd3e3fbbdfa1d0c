"""Which module of the command line has which command."""

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from handlers.cli.main import GROUPS, parser

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
