"""A setting that is missing is named, in a run row, and costs no call."""

import json

import pytest

from tests.support.site import Site


def test_a_simulator_without_an_address_is_a_setting_and_no_refused_token(site: Site) -> None:
    site.connect(2)

    done = site.with_settings(EBAY_SIMULATOR_API_URL="").cli("ebay", "--json")

    report = json.loads(done.stdout)
    assert (done.returncode, report["outcome"], report["reason"]) == (78, "failed", "config")
    assert "EBAY_SIMULATOR_API_URL" in report["detail"]
    assert {unit["reason"] for unit in report["units"]} == {"config"}
    assert report["counts"]["calls"] == 0
    units = site.sql("SELECT DISTINCT reason, calls FROM ops.run_units")
    assert [tuple(unit) for unit in units] == [("config", 0)]


def test_an_account_of_an_environment_without_keys_names_them(site: Site) -> None:
    site.connect(2)
    site.sql(
        "UPDATE ebay.accounts SET environment = 'sandbox' WHERE name = 'seller-2';"
        " UPDATE ebay.tokens SET access_token = NULL, access_expires_at = NULL"
    )

    done = site.cli("ebay", "--json")

    report = json.loads(done.stdout)
    assert (done.returncode, report["outcome"]) == (1, "degraded")
    told = site.one("SELECT min(error) FROM ops.run_units WHERE reason = 'config'")
    assert "EBAY_SANDBOX_CLIENT_ID and EBAY_SANDBOX_CLIENT_SECRET must be set" in told


@pytest.mark.parametrize("keys", ["", "k1:not-a-key"])
def test_wrong_or_missing_encryption_keys_leave_a_run_row(site: Site, keys: str) -> None:
    site.connect()

    done = site.with_settings(ENCRYPTION_KEYS=keys).cli("ebay", "--json")

    report = json.loads(done.stdout)
    assert (done.returncode, report["reason"]) == (78, "config")
    assert "ENCRYPTION_KEYS" in report["detail"]
    row = site.sql("SELECT status, outcome, reason FROM ops.runs")
    assert [tuple(each) for each in row] == [("finished", "failed", "config")]
