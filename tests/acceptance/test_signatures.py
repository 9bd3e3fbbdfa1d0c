"""Message signatures end to end: who signs, with which key, and what is told when it goes wrong."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.ids import AccountId
from infra.crypto import AesGcmCipher, parse_keys
from infra.simulator import signing_api
from infra.simulator.journal import Entry
from tests.support.postgres import free_port
from tests.support.site import KEYS, Gate, Site, beside

pytestmark = pytest.mark.timeout(150)
HEADERS = {"signature", "signature-input", "x-ebay-signature-key"}
FINANCES = ("getTransactions", "getPayouts", "getPayout")
DE, US = "seller-1", "seller-2"
DONE = ("done", None)
LOST = "UPDATE ebay.signing_keys SET private_key = replace(private_key, 'v1.test', 'v1.gone')"
NOBODY = AccountId(0)


@pytest.fixture(autouse=True)
def _as_ebay_is(site: Site) -> Iterator[None]:
    """Signatures are demanded; every seller lives where he is registered."""
    world = site.simulator.world
    homes = {account.name: account.country for account in world.accounts}
    world.behaviour.signatures = True
    world.signing_keys.clear()
    site.simulator.requests.clear()
    yield
    world.behaviour.signatures = False
    world.behaviour.business_addresses = False
    world.behaviour.signature_window_s = 300
    for account in world.accounts:
        account.country = homes[account.name]


def calls(site: Site, account: str | None = None, operation: str | None = None) -> list[Entry]:
    return site.simulator.requests.entries(account=account, operation=operation)


def is_signed(entry: Entry) -> bool:
    assert HEADERS & set(entry.headers) in (HEADERS, set())
    return set(entry.headers) >= HEADERS


def equals_the_truth(site: Site, account: str) -> bool:
    for stream, key in (
        ("orders", "order_id"),
        ("transactions", "transaction_id, transaction_type"),
        ("payouts", "payout_id"),
    ):
        rows = site.sql(
            f"SELECT {key}, raw FROM ebay.{stream} JOIN ebay.accounts ON id = account_id"
            f" WHERE name = '{account}'"
        )
        stored = {tuple(row[:-1]): row[-1] for row in rows}
        truth = site.simulator.truth(account, stream)
        if stored != {each: row for each, (_, row) in truth.items()}:
            return False
    return True


def domiciles(site: Site) -> dict[str, str | None]:
    rows = site.sql("SELECT name, signed_because FROM ebay.accounts ORDER BY name")
    return {row[0]: row[1] for row in rows}


def units(site: Site, **how: Any) -> dict[tuple[str, str], tuple[str, str | None]]:
    report = site.run(**how)
    return {
        (unit.account, unit.stream): (unit.outcome, unit.reason)
        for unit in report.units
        if unit.pass_ == "new"
    }


def errors(site: Site) -> set[str]:
    rows = site.sql("SELECT DISTINCT error FROM ops.run_units WHERE reason = 'signature_required'")
    return {row[0] for row in rows}


def test_a_first_sync_of_two_sellers_signs_what_ebay_wants_signed_and_nothing_else(
    site: Site,
) -> None:
    site.connect(2)

    report = site.run()

    assert report.outcome == "done"
    assert equals_the_truth(site, DE)
    assert equals_the_truth(site, US)
    signed = {(entry.account, entry.operation) for entry in calls(site) if is_signed(entry)}
    assert signed == {(DE, "getTransactions"), (DE, "getPayouts")}
    assert all(is_signed(entry) for name in FINANCES for entry in calls(site, DE, name))
    assert {entry.status for entry in calls(site, DE)} <= {200, 204}
    assert len(calls(site, operation="createSigningKey")) == 1
    assert domiciles(site) == {DE: "domicile", US: None}


def test_a_demand_that_nobody_foresaw_is_learned_and_met_in_the_same_run(site: Site) -> None:
    """A seller registered in the US who lives in France, which the consent does not show."""
    site.simulator.world.account(US).country = "FR"
    site.connect(2)

    report = site.run()

    assert report.outcome == "done"
    assert equals_the_truth(site, US)
    assert domiciles(site) == {DE: "domicile", US: "demanded"}
    statuses = [(is_signed(entry), entry.status) for entry in calls(site, US, "getPayouts")]
    assert statuses[0] in {(False, 403), (True, 200)}
    assert [entry for entry in calls(site, US) if entry.status == 403]

    site.simulator.requests.clear()
    site.all_due()
    assert site.run().outcome == "done"
    assert {is_signed(entry) for entry in calls(site, US, "getTransactions")} == {True}
    assert 403 not in {entry.status for entry in calls(site)}


def test_a_look_ahead_signs_too(site: Site) -> None:
    site.simulator.world.account(US).country = "IT"
    site.connect(2)

    report = site.run(dry_run=True)

    assert {unit.outcome for unit in report.units} == {"done"}
    assert domiciles(site) == {DE: "domicile", US: "demanded"}
    assert site.one("SELECT count(*) FROM ebay.transactions") == 0


def test_a_signature_for_a_seller_elsewhere_is_ignored(site: Site) -> None:
    site.connect(2)
    site.simulator.world.account(DE).country = "US"
    site.simulator.world.behaviour.signature_window_s = -1

    assert site.run().outcome == "done"
    assert all(is_signed(entry) for entry in calls(site, DE, "getTransactions"))


def test_the_country_that_a_business_shows_decides(site: Site) -> None:
    world = site.simulator.world
    world.behaviour.business_addresses = True
    world.account(DE).country = "CN"
    site.connect(1)
    known = site.cli("accounts", "list", "--json")
    assert site.run().outcome == "done"
    assert not any(is_signed(entry) for entry in calls(site, DE))
    world.account(DE).country = "DE"
    told = site.cli("accounts", "test", DE)
    site.all_due()
    site.run()

    [account] = json.loads(known.stdout)["accounts"]
    assert (account["country"], account["signed_because"]) == ("CN", None)
    assert (
        "message signatures: yes, the seller is domiciled in the EU or the UK (DE)" in told.stdout
    )
    assert {is_signed(entry) for entry in calls(site, DE, "getTransactions")} == {False, True}


@pytest.mark.parametrize(
    ("country", "said"),
    [("DE", "yes, the seller is domiciled in the EU or the UK (EBAY_DE)"), ("US", "no, ")],
)
def test_a_person_can_ask_who_signs(site: Site, country: str, said: str) -> None:
    site.connect(2)

    told = site.cli("accounts", "test", {"DE": DE, "US": US}[country])

    assert told.returncode == 0
    assert f"message signatures: {said}" in told.stdout


def test_before_there_is_a_key_it_is_said_when_one_will_be(site: Site) -> None:
    told = site.cli("signing-key", "show")

    assert told.returncode == 0
    assert "There is no signing key yet" in told.stdout
    assert json.loads(site.cli("signing-key", "show", "--json").stdout)["signing_keys"] == []


def test_a_person_sees_the_key_and_has_it_replaced(site: Site) -> None:
    site.connect(2)
    site.run()
    first = json.loads(site.cli("signing-key", "show", "--json", "--ebay").stdout)["signing_keys"][
        0
    ]
    renewed = site.cli("signing-key", "renew", "--environment", "simulator", "--cipher", "RSA")
    shown = site.cli("signing-key", "show", "--ebay")
    site.all_due()
    report = site.run()

    assert (first["cipher"], first["known_to_ebay"], first["others_at_ebay"]) == (
        "ED25519",
        True,
        0,
    )
    assert first["accounts"] == [DE]
    assert renewed.returncode == 0, renewed.stderr
    assert "signing-key show" in renewed.stdout
    [_, second] = site.simulator.world.signing_keys
    assert second.key_id in shown.stdout
    assert "RSA" in shown.stdout
    assert "eBay knows this key" in shown.stdout
    assert "eBay knows 1 more" in shown.stdout
    assert f"accounts of simulator that sign: {DE}" in shown.stdout
    assert report.outcome == "done"
    [row] = site.sql("SELECT key_id, cipher FROM ebay.signing_keys")
    assert row == [second.key_id, "RSA"]
    assert calls(site, DE, "getPayouts")[-1].headers["x-ebay-signature-key"] == second.public["jwe"]


def test_a_key_is_renewed_by_itself_before_it_ends(site: Site) -> None:
    site.connect(1)
    site.run()
    site.sql("UPDATE ebay.signing_keys SET created_at = created_at - interval '1065 days',"
             " expires_at = expires_at - interval '1065 days 1 minute'")  # fmt: skip
    site.all_due()

    assert site.run().outcome == "done"

    assert len(site.simulator.world.signing_keys) == 2
    assert site.one("SELECT expires_at > now() + interval '1000 days' FROM ebay.signing_keys")


def spoil(site: Site, what: str) -> None:
    """As if the key had been of another application, or damaged on its way."""
    world = site.simulator.world
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    claims: dict[str, dict[str, Any]] = {
        "app": {"appid": "another"},
        "pkey": {"pkey": None},
        "no key": {"pkey": "Y2FuYXJ5"},
    }
    if what in claims:
        jwe = signing_api.issue(world, private, "ED25519", 99, **claims[what]).public["jwe"]
    else:
        jwe = {
            "format": "a.b.c",
            "seal": re.sub(r"[^.]+$", "AAAAAAAAAAAAAAAAAAAAAA", old_jwe(site)),
        }[what]
    site.sql(f"UPDATE ebay.signing_keys SET jwe = '{jwe}'")


def old_jwe(site: Site) -> str:
    return str(site.one("SELECT jwe FROM ebay.signing_keys"))


@pytest.mark.parametrize(
    ("what", "code"),
    [("app", 215117), ("pkey", 215118), ("no key", 215119), ("format", 215116), ("seal", 215115)],
)
def test_a_key_that_ebay_does_not_take_is_told_by_its_code_and_the_rest_goes_on(
    site: Site, what: str, code: int
) -> None:
    site.connect(2)
    site.run()
    spoil(site, what)
    site.all_due()

    ended = units(site)

    assert ended[DE, "transactions"] == ended[DE, "payouts"] == ("failed", "signature_required")
    assert ended[DE, "orders"] == ended[US, "transactions"] == ("done", None)
    for error in errors(site):
        assert f"403, error {code}: " in error
        assert " to fulfill the request. (GET " in error
        assert "signing-key renew --environment simulator" in error


def test_the_way_out_of_a_key_that_ebay_does_not_take_can_be_typed(site: Site) -> None:
    site.connect(1)
    site.run()
    spoil(site, "app")
    site.all_due()
    told = site.cli("ebay")

    command = re.search(r"-m core.run (signing-key renew [^`]+)`", told.stderr)
    assert command is not None
    assert site.cli(*command[1].split()).returncode == 0
    site.all_due()
    assert site.run().outcome == "done"


def test_a_signature_that_ebay_reads_otherwise_is_told_and_costs_one_call(site: Site) -> None:
    """The private half is another key's: what it signs does not fit the public half."""
    site.connect(1)
    site.run()
    cipher = AesGcmCipher(keyring=parse_keys(KEYS))
    [owner] = site.sql("SELECT environment, client_id, private_key FROM ebay.signing_keys")
    field = f"signing_key/{owner[0]}/{owner[1]}"
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    opened = cipher.open(owner[2], account_id=NOBODY, field=field)
    text = base64.b64encode(base64.b64decode(opened.reveal())[:-32] + other.private_bytes_raw())
    sealed = cipher.seal(type(opened)(text.decode()), account_id=NOBODY, field=field)
    site.sql(f"UPDATE ebay.signing_keys SET private_key = '{sealed}'")
    site.all_due()
    site.simulator.requests.clear()

    ended = site.cli("ebay", "--account", DE, "--stream", "transactions")

    assert ended.returncode == 1
    assert "signature_required" in ended.stderr
    assert "403, error 215122: Signature validation failed to fulfill the request." in ended.stderr
    assert "signing-key renew --environment simulator" in ended.stderr
    assert len(calls(site, DE, "getTransactions")) == 2, "one of each pass"


def test_a_clock_that_is_wrong_is_told_with_both_times(site: Site) -> None:
    site.connect(1)
    site.simulator.world.behaviour.signature_window_s = -1

    assert units(site)[DE, "transactions"] == ("failed", "signature_required")

    for error in errors(site):
        assert "error 215114: " in error
        assert "by the database's clock, and eBay's says" in error
        assert " GMT: set the clock of the database's server right" in error


@pytest.mark.parametrize(
    ("fault", "how", "said"),
    [
        ("server_error", {}, "500, error 2003"),
        ("unavailable", {}, "503"),
        ("reset_before", {}, "broke"),
        ("reset_after", {}, "broke"),
        ("truncated_body", {}, "broke HTTP off"),
        ("html", {}, "unreadable"),
        ("empty_body", {}, "unreadable"),
        ("rate_limited", {}, "429, error 2001"),
        ("unauthorized", {}, "401, error 1001"),
        ("status", {"status": 200, "body": "{}"}, "not what its contract says"),
        ("status", {"status": 400, "body": '{"errors":[{"errorId":210005}]}'}, "error 210005"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_without_a_key_the_others_go_on_and_it_is_asked_for_once(
    site: Site, fault: str, how: dict[str, Any], said: str
) -> None:
    site.connect(2)
    site.simulator.faults.add(fault, operation="createSigningKey", **how)

    ended = units(site)
    site.all_due()
    units(site)

    assert ended[DE, "transactions"] == ended[DE, "payouts"] == ("failed", "signature_required")
    assert ended[DE, "orders"] == ended[US, "transactions"] == ended[US, "payouts"] == DONE
    for error in errors(site):
        assert "no signing key can be had: " in error
        assert said in error
        assert "it is tried again after" in error
    assert len(calls(site, operation="createSigningKey")) == 1
    assert not calls(site, DE, "getTransactions")
    assert site.one("SELECT bool_and(due_at > now()) FROM ebay.sync_states")

    site.simulator.faults.clear()
    site.sql("UPDATE ebay.signing_keys SET retry_at = now()")
    site.all_due()
    assert {outcome for outcome, _ in units(site).values()} == {"done"}


def test_a_person_is_told_why_there_is_no_key_and_when_it_is_tried_again(site: Site) -> None:
    site.connect(1)
    site.simulator.faults.add("server_error", operation="createSigningKey")

    told = site.cli("ebay", "--stream", "transactions")
    shown = site.cli("signing-key", "show")

    assert told.returncode == 1
    assert "signature_required: eBay wants this seller's calls signed (EU and UK)" in told.stderr
    assert "500, error 2003" in told.stderr
    assert "it is tried again after" in told.stderr
    assert "the last try failed: eBay answered 500, error 2003" in shown.stdout
    assert "Traceback" not in told.stderr + shown.stderr


@pytest.mark.slow
def test_an_ebay_that_is_slow_to_make_a_key_holds_nobody_up_for_long(site: Site) -> None:
    site.connect(2)
    site.simulator.faults.add("hang", operation="createSigningKey")

    report = site.run(deadline_s=30.0)

    assert report.duration_ms < 20_000
    assert {unit.account for unit in report.units if unit.outcome == "failed"} == {DE}
    assert all("gave no whole answer within" in error for error in errors(site))


def test_a_breaker_does_not_open_for_want_of_a_key(site: Site) -> None:
    site.connect(10)
    site.simulator.faults.add("server_error", operation="createSigningKey")

    ended = units(site)

    assert sum(reason == "signature_required" for _, reason in ended.values()) == 10
    assert sum(outcome == "done" for outcome, _ in ended.values()) == 20
    assert site.one("SELECT count(*) FROM ebay.api_breakers") == 0


@pytest.mark.slow
def test_ten_processes_have_one_key_made(site: Site) -> None:
    for account in site.simulator.world.accounts:
        account.country = "DE"
    site.connect(10)
    site.sql("UPDATE ebay.accounts SET signed_because = 'domicile'")

    with Gate(site.simulator, "createSigningKey") as gate:
        processes = [
            site.start("ebay", "--json", "--account", f"seller-{number}", "--stream", "payouts")
            for number in range(1, 11)
        ]
        gate.wait()
        gate.open()
        ended = [process.communicate(timeout=100) for process in processes]

    assert [process.returncode for process in processes] == [0] * 10, ended
    assert len(site.simulator.world.signing_keys) == 1
    jwes = {
        entry.headers.get("x-ebay-signature-key") for entry in calls(site, operation="getPayouts")
    }
    assert jwes == {site.simulator.world.signing_keys[0].public["jwe"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "made"),
    [
        ("main after signing.start #1", 0),
        ("main before COMMIT #5", 0),
        ("main before signing.save #1", 1),
        ("main after signing.save #1", 1),
    ],
)
def test_killed_while_a_key_is_made_the_next_one_goes_on(site: Site, place: str, made: int) -> None:
    """What eBay made and nobody stored is left over there; another takes its place."""
    site.connect(1)

    killed = site.cli(
        "signing-key", "renew", "--environment", "simulator",
        command=("-m", "tests.support.launcher", "--crash-at", place, "--"),
    )  # fmt: skip
    lost = len(site.simulator.world.signing_keys)
    site.sql("UPDATE ebay.signing_keys SET leased_until = now()")
    report = site.run()
    shown = site.cli("signing-key", "show", "--ebay")

    assert killed.returncode == -9, killed.stdout + killed.stderr
    assert lost == made
    assert report.outcome == "done"
    assert len(site.simulator.world.signing_keys) == made + 1
    assert "eBay knows this key" in shown.stdout
    assert ("eBay knows 1 more" in shown.stdout) == bool(made)


def test_other_encryption_keys_sign_nothing(site: Site) -> None:
    site.connect(1)
    site.run()
    site.all_due()
    other = "test:" + base64.b64encode(bytes(32)).decode()
    environment = site.environment(ENCRYPTION_KEYS=other)

    ended = [
        site.cli(*command, environment=environment)
        for command in (
            ("ebay",),
            ("signing-key", "renew", "--environment", "simulator"),
        )
    ]

    shown = site.cli("signing-key", "show", "--ebay", environment=environment)

    assert [each.returncode for each in ended] == [78, 78]
    assert "eBay knows this key" in shown.stdout
    assert all("ENCRYPTION_KEYS" in each.stderr for each in ended)
    assert len(site.simulator.world.signing_keys) == 1


def test_a_key_that_does_not_open_is_told_and_the_rest_goes_on(site: Site) -> None:
    site.connect(2)
    site.run()
    site.sql(LOST)
    site.all_due()

    ended = units(site)
    told = site.one("SELECT error FROM ops.run_units WHERE reason = 'decrypt_failed' LIMIT 1")

    assert ended[DE, "transactions"] == ("skipped", "decrypt_failed")
    assert ended[DE, "orders"] == ended[US, "transactions"] == ("done", None)
    assert "signing-key renew --environment simulator" in told


def test_new_encryption_keys_seal_the_private_key_anew(site: Site) -> None:
    site.connect(1)
    site.run()
    new = "new:" + base64.b64encode(bytes(range(100, 132))).decode()

    ended = site.cli(
        "rekey", "--json", environment=site.environment(ENCRYPTION_KEYS=f"{new},{KEYS}")
    )

    told = json.loads(ended.stdout)
    assert (ended.returncode, told["values"], told["resealed_signing_keys"]) == (0, {"new": 3}, 1)
    assert site.one("SELECT split_part(private_key, '.', 2) FROM ebay.signing_keys") == "new"
    site.all_due()
    assert site.with_settings(ENCRYPTION_KEYS=new).run().outcome == "done"
    assert len(site.simulator.world.signing_keys) == 1


def test_a_private_key_whose_encryption_key_is_lost_is_forgotten_and_another_made(
    site: Site,
) -> None:
    """Nobody's token is lost with it, so no owner has to consent again."""
    site.connect(1)
    site.run()
    site.sql(LOST)

    refused = site.cli("rekey")
    ended = site.cli("rekey", "--discard-lost")
    site.all_due()
    report = site.run()

    assert refused.returncode == 78
    assert "the signing key of simulator" in refused.stdout
    assert ended.returncode == 0
    assert "another is made when it is needed" in ended.stdout
    assert report.outcome == "done"
    assert len(site.simulator.world.signing_keys) == 2


def test_an_application_of_another_name_gets_a_key_of_its_own(site: Site) -> None:
    site.connect(1)
    site.run()
    site.sql("UPDATE ebay.signing_keys SET client_id = 'the application before'")
    site.all_due()

    assert site.run().outcome == "done"

    assert site.one("SELECT count(*) FROM ebay.signing_keys") == 2


def test_no_private_key_is_anywhere_but_sealed_in_its_place(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    site = site.with_settings(LOG_LEVEL="debug")
    made = []
    site.connect(2)
    with Gate(site.simulator, "createSigningKey") as gate, beside(lambda: made.append(site.run())):
        gate.wait()
        gate.open()
    said = [json.dumps(made[0].as_json()), repr(made[0])]
    for command in (
        ("signing-key", "show", "--ebay"),
        ("signing-key", "show", "--json", "--ebay"),
        ("accounts", "test", DE),
        ("accounts", "list", "--json"),
        ("ebay", "--json", "-v", "--account", DE),
        ("runs", "--json"),
        ("rekey",),
    ):
        ended = site.cli(*command)
        said += [ended.stdout, ended.stderr]
    said.append(capfd.readouterr().err)
    cipher = AesGcmCipher(keyring=parse_keys(KEYS))
    [row] = site.sql("SELECT environment, client_id, private_key FROM ebay.signing_keys")
    opened = cipher.open(row[2], account_id=NOBODY, field=f"signing_key/{row[0]}/{row[1]}").reveal()
    seed = base64.b64decode(opened)[-32:]

    forms = {opened, opened[-43:], base64.urlsafe_b64encode(seed).decode().rstrip("="), seed.hex()}
    tables = site.sql(
        "SELECT schemaname || '.' || tablename FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    for (table,) in tables:
        said += [each[0] for each in site.sql(f"SELECT to_jsonb(t)::text FROM {table} t")]
    assert len(opened) == 64
    assert not [form for form in forms for text in said if form in text]


def test_an_ebay_that_repeats_a_private_key_where_none_belongs_does_not_spread_it(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    canary = "MC4CAQAwBQYDK2VwBCIEIcanarycanarycanarycanarycanarycanarycanary"
    site.connect(1)
    for body in (
        {"privateKey": canary},
        {"privateKey": canary, "signingKeyId": 7, "errors": [{"errorId": 1, "message": canary}]},
    ):
        site.simulator.faults.clear()
        site.simulator.faults.add(
            "status", operation="createSigningKey", status=200, body=json.dumps(body)
        )
        site.sql("DELETE FROM ebay.signing_keys")
        site.all_due()
        site.run()
    shown = site.cli("signing-key", "show")
    rows = site.sql(
        "SELECT error FROM ops.run_units UNION ALL SELECT last_error FROM ebay.signing_keys"
        " UNION ALL SELECT facts::text FROM ops.run_events"
    )

    said = [shown.stdout, shown.stderr, capfd.readouterr().err, *(row[0] or "" for row in rows)]
    assert not [text for text in said if "canary" in text]
    assert any("not what its contract says" in text for text in said)


def test_key_management_out_of_reach_is_no_bug(site: Site) -> None:
    site.connect(1)
    nowhere = f"http://127.0.0.1:{free_port()}"

    ended = site.cli(
        "signing-key", "renew", "--environment", "simulator",
        environment=site.environment(EBAY_SIMULATOR_APIZ_URL=nowhere),
    )  # fmt: skip

    assert ended.returncode == 1
    assert "could not be reached" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_keys_that_are_missing_are_named(site: Site) -> None:
    ended = site.cli("signing-key", "renew", "--environment", "production")

    assert ended.returncode == 78
    assert "EBAY_PRODUCTION_CLIENT_ID" in ended.stderr
