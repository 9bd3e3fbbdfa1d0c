"""Changing the encryption keys, beside runs, killed and repeated; and what else is about keys."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from infra.crypto import AesGcmCipher, parse_keys
from tests.support.site import KEYS, TOKENS, Gate, Site, beside
from tests.support.typed import typed

pytestmark = pytest.mark.timeout(150)
NEW = "new:" + base64.b64encode(bytes(range(100, 132))).decode()
BOTH = f"{NEW},{KEYS}"
LAUNCHER = ("-m", "tests.support.launcher")


def key_ids(site: Site) -> set[str]:
    rows = site.sql(
        "SELECT refresh_token FROM ebay.tokens UNION ALL"
        " SELECT access_token FROM ebay.tokens WHERE access_token IS NOT NULL"
    )
    assert {row[0].split(".")[0] for row in rows} <= {"v1"}
    return {row[0].split(".")[1] for row in rows}


def opened(site: Site, keys: str) -> list[str]:
    """Each refresh token, as these keys open it."""
    cipher = AesGcmCipher(keyring=parse_keys(keys))
    rows = site.sql("SELECT account_id, refresh_token FROM ebay.tokens ORDER BY account_id")
    return [cipher.open(row[1], account_id=row[0], field="refresh_token").reveal() for row in rows]


def rekey(site: Site, *arguments: str, keys: str = BOTH) -> tuple[int, dict[str, Any]]:
    ended = site.cli(
        "rekey", "--json", *arguments, environment=site.environment(ENCRYPTION_KEYS=keys)
    )
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


def test_every_token_is_sealed_with_the_newest_key_and_the_old_one_can_go(site: Site) -> None:
    site.connect(3)
    before = opened(site, KEYS)

    code, told = rekey(site)
    again_code, again = rekey(site)

    assert (code, told["resealed_accounts"], told["values"]) == (0, 3, {"new": 6})
    assert told["old_keys_removable"]
    assert (again_code, again["resealed_accounts"], again["values"]) == (0, 0, {"new": 6})
    assert key_ids(site) == {"new"}
    assert opened(site, NEW) == before
    assert site.with_settings(ENCRYPTION_KEYS=NEW).run().outcome == "done"
    stale = typed(site, "ebay")
    assert stale.returncode == 78
    assert "the key new" in stale.stderr


def test_what_it_says_to_a_person(site: Site) -> None:
    site.connect(1)

    ended = site.cli("rekey", environment=site.environment(ENCRYPTION_KEYS=BOTH))

    assert "accounts sealed anew: 1" in ended.stdout
    assert "values sealed with new (the newest): 2" in ended.stdout
    assert "take the older ones out" in ended.stdout


def test_a_run_beside_it_goes_on_and_must_end_before_the_old_key_can_go(site: Site) -> None:
    """The run was begun with the old key alone, and stores what it gets with it."""
    site.connect(2)
    site.sql("UPDATE ebay.tokens SET access_expires_at = clock_timestamp()")
    reports = []

    with (
        Gate(site.simulator, "token") as gate,
        beside(lambda: reports.append(site.run(worker=TOKENS))),
    ):
        gate.wait()
        code, meanwhile = rekey(site)
        gate.open()
    after_code, after = rekey(site)

    assert reports[0].outcome == "done"
    assert (code, meanwhile["earlier_runs"], meanwhile["old_keys_removable"]) == (75, 1, False)
    assert (after_code, after["old_keys_removable"]) == (0, True)
    assert key_ids(site) == {"new"}
    assert site.with_settings(ENCRYPTION_KEYS=NEW).run().outcome == "done"


@pytest.mark.parametrize(
    "place",
    [
        "main after sealed.reseal #1",
        "main before COMMIT #3",
        "main after sealed.replace_canary #1",
        "main after sealed.earlier_runs #1",
    ],
)
def test_killed_in_the_middle_nothing_is_lost_and_the_next_one_goes_on(
    site: Site, place: str
) -> None:
    site.connect(3)
    before = opened(site, KEYS)

    killed = site.cli(
        "rekey",
        environment=site.environment(ENCRYPTION_KEYS=BOTH),
        command=(*LAUNCHER, "--crash-at", place, "--"),
    )
    between = opened(site, BOTH)
    code, told = rekey(site)

    assert killed.returncode == -9, killed.stdout + killed.stderr
    assert between == before == opened(site, NEW)
    assert (code, told["values"], told["old_keys_removable"]) == (0, {"new": 6}, True)


def test_what_no_key_opens_is_named_and_nothing_of_it_is_changed(site: Site) -> None:
    site.connect(2)
    site.sql("UPDATE ebay.tokens SET refresh_token = replace(refresh_token, 'v1.test', 'v1.gone')"
             " WHERE account_id = (SELECT min(account_id) FROM ebay.tokens)")  # fmt: skip

    code, told = rekey(site)

    assert (code, told["lost"], told["old_keys_removable"]) == (78, ["seller-1"], False)
    assert told["values"] == {"new": 2, "gone": 1, "test": 1}
    assert typed(site, "workers", "list").returncode == 0


def test_a_key_that_is_lost_costs_a_new_consent_and_no_more(site: Site, tmp_path: Path) -> None:
    """The old key is gone for good; what was read stays, and each account is reconnected."""
    site.connect(2)
    site.run()
    orders = site.one("SELECT count(*) FROM ebay.orders")
    lost = site.with_settings(ENCRYPTION_KEYS=NEW)
    (tmp_path / "token").write_text(site.simulator.world.account("seller-1").refresh_token)
    reconnect = ("accounts", "reconnect", "seller-1", "--refresh-token-file")

    refused = lost.cli(*reconnect, str(tmp_path / "token"))
    code, told = rekey(site, "--discard-lost", keys=NEW)
    report = lost.run(accounts=("seller-1",))
    back = lost.cli(*reconnect, str(tmp_path / "token"))

    assert refused.returncode == 78
    assert "rekey --discard-lost" in refused.stderr
    assert (code, told["discarded"], told["values"]) == (0, ["seller-1", "seller-2"], {"new": 0})
    assert {unit.reason for unit in report.units} == {"needs_reconnect"}
    assert back.returncode == 0, back.stderr
    lost.all_due()
    assert lost.run(accounts=("seller-1",)).outcome == "done"
    assert site.one("SELECT count(*) FROM ebay.orders") == orders


def test_r43_whatever_was_done_no_token_lies_in_the_database_in_clear(
    site: Site, tmp_path: Path
) -> None:
    site.connect(2)
    (tmp_path / "token").write_text(site.simulator.world.account("seller-1").refresh_token)
    site.sql("UPDATE ebay.tokens SET access_expires_at = clock_timestamp()")
    site.run()
    site.run(worker=TOKENS, accounts=("seller-1",))
    typed(
        site, "accounts", "reconnect", "seller-1", "--refresh-token-file", str(tmp_path / "token")
    )
    rekey(site)

    [columns] = site.sql(
        "SELECT array_agg(table_schema || '.' || table_name || '.' || column_name)"
        " FROM information_schema.columns WHERE column_name LIKE '%token' AND data_type = 'text'"
    )
    assert sorted(columns[0]) == ["ebay.tokens.access_token", "ebay.tokens.refresh_token"]
    assert key_ids(site) == {"new"}
