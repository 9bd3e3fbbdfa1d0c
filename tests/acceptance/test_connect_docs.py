"""docs/connect.md: its settings, its scopes, its reasons, and its commands, typed one by one."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from core.connect.model import Refusal
from core.connect.scopes import ROOT
from handlers import connections
from infra.settings import Settings
from tests.support import forked
from tests.support.seller import consent
from tests.support.site import ROOT as FOLDER
from tests.support.site import Site

pytestmark = pytest.mark.timeout(150)
TEXT = (FOLDER / "docs" / "connect.md").read_text()
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown(language: str) -> list[str]:
    return [line for kind, text in FENCED.findall(TEXT) if kind == language
            for line in text.splitlines()]  # fmt: skip


def typed(site: Site, command: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    """As it stands there; only the simulator takes eBay's place."""
    words = shlex.split(command.replace("--environment production", "--environment simulator"))
    if words[4:] == ["connect", "--name", "shop"]:
        words += ["--environment", "simulator"]
    return forked.run(words[1:], env=site.environment(), timeout=100, typed=answer)


def test_its_settings_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [line.partition("=")[0] for line in shown("env")]
    for line in shown("env"):
        monkeypatch.setenv(*line.split("=", maxsplit=1))

    settings = Settings.load()

    assert names
    assert all(getattr(settings, name.lower()) is not None for name in names)


def test_its_table_of_scopes_is_what_a_consent_is_asked_for() -> None:
    rows = dict(re.findall(r"^\| (?:`(/[a-z._]+)`|\(none[^|]*) \| ([^|]*) \|$", TEXT, re.MULTILINE))

    assert {f"{ROOT}{scope}" for scope in rows} == set(connections.USUAL_SCOPES)
    for stream, scope in connections.NEEDS.items():
        if scope != ROOT:
            assert f"`{stream}`" in rows[scope.removeprefix(ROOT)]


def test_every_reason_is_explained() -> None:
    section = TEXT.partition("## What went wrong")[2]

    assert {each.value for each in Refusal} - set(re.findall(r"`([a-z_]+)`", section)) == set()


def test_its_commands_lead_from_the_link_to_the_orders_and_back_out(
    site: Site, tmp_path: Path
) -> None:
    commands = [line for line in shown("sh") if not re.search("serve|simulator|NAME", line)]
    first, link, address, listing, ebay, leave, erase = commands
    (tmp_path / "address.txt").write_text("")

    nothing_pasted = typed(site, first)
    linked = typed(site, link)
    (tmp_path / "address.txt").write_text(consent(linked.stdout.strip()))
    done = typed(site, address.replace("address.txt", str(tmp_path / "address.txt")))
    listed = typed(site, listing)
    read = typed(site, ebay)
    left = typed(site, leave)
    erased = typed(site, erase, "shop\n")

    assert nothing_pasted.returncode == 65
    assert "/oauth2/authorize?" in nothing_pasted.stderr
    assert "simulated_seller_1; connected" in done.stdout, done.stderr
    assert "simulated_seller_1" in listed.stdout
    assert "done" in read.stdout + read.stderr
    assert "revoked at eBay" in left.stdout
    assert "rows of ebay.orders" in erased.stdout
    assert [each.returncode for each in (linked, done, listed, read, left, erased)] == [0] * 6
