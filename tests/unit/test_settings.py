"""Settings: every wrong one is named, none is repeated, and .env never reaches Lambda."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from core.errors import ConfigurationError
from core.secret import Secret
from handlers import ebay_clients, opening
from infra.env_file import ENV_FILE
from infra.logs import make_log
from infra.settings import Replaced, Settings

ROOT = Path(__file__).parents[2]
CANARY = "canary-9b1d"
LONG_CANARY = "canary-9b1d-of-enough-length"
SET_BY_AWS = {"AWS_LAMBDA_FUNCTION_NAME"}
NOT_IN_THE_CONTRACT = {
    "CRONSHOT_HOME", "COMPAT_ENV", "SSM_PREFIX", "HTTP_ALLOW_LOOPBACK", "HTTP_BEARER_TOKENS",
    "TELEGRAM_API_URL", "NOTIFY_WEBHOOK_SECRET", "NOTIFY_WEBHOOK_SECRET_PREVIOUS", "SMTP_FROM",
    "INTAKE_FOLDERS", "INTAKE_BUCKETS",
}  # fmt: skip

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """From this environment alone, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def load(**environment: str) -> Settings:
        with patch.dict(os.environ, environment, clear=True):
            return Settings.load()

    return load


def address(settings: Settings) -> str | None:
    return None if settings.database_url is None else settings.database_url.get_secret_value()


def test_nothing_needs_to_be_set(load: Load) -> None:
    settings = load()

    assert settings.database_url is None
    assert settings.encryption_keys is None
    assert settings.cron_secrets == ()
    assert settings.workers_max_parallel == 4
    assert settings.http_deadline_s == 25
    assert settings.lease_s == 60
    assert (settings.log_level, settings.log_format) == ("info", None)
    assert settings.base_path == ""
    assert settings.cronshot_home == Path(".cronshot")
    assert not settings.on_lambda
    assert not settings.compat_env


def test_each_setting_is_read_under_its_name_in_capitals(load: Load) -> None:
    settings = load(
        DATABASE_URL="postgresql://a@b/c",
        DATABASE_URL_DIRECT="postgresql://d@e/f",
        RUN_DDL_ON_STARTUP="true",
        CRON_SECRET="0123456789abcdef",
        CRON_SECRET_PREVIOUS="fedcba9876543210",
        ENCRYPTION_KEYS="k:x",
        EBAY_PRODUCTION_CLIENT_ID="id",
        EBAY_PRODUCTION_CLIENT_SECRET="secret",
        EBAY_SANDBOX_CLIENT_ID="id2",
        EBAY_SANDBOX_CLIENT_SECRET="secret2",
        EBAY_SIMULATOR_API_URL="http://127.0.0.1:1",
        EBAY_SIMULATOR_APIZ_URL="http://127.0.0.1:2",
        HEARTBEAT_URL_EBAY_CYCLE="https://hc-ping.com/x",
        BASE_PATH="dev/",
        WORKERS_MAX_PARALLEL="2",
        HTTP_DEADLINE_S="10.5",
        LEASE_S="30",
        LOG_LEVEL="Warning",
        LOG_FORMAT="text",
        CRONSHOT_HOME="/x",
    )

    assert address(settings) == "postgresql://a@b/c"
    assert settings.database_url_direct is not None
    assert settings.run_ddl_on_startup is True
    assert settings.cron_secrets == (Secret("0123456789abcdef"), Secret("fedcba9876543210"))
    assert settings.base_path == "/dev"
    assert (settings.workers_max_parallel, settings.http_deadline_s) == (2, 10.5)
    assert (settings.log_level, settings.log_format) == ("warning", "text")
    assert settings.cronshot_home == Path("/x")


def test_an_empty_variable_is_one_that_is_not_set(load: Load) -> None:
    names = set(Settings.model_fields) - {"cronshot_home"}

    settings = load(**{name.upper(): "" for name in names})

    assert settings == load()


def test_space_around_a_value_is_not_part_of_it(load: Load) -> None:
    settings = load(CRON_SECRET=f" {LONG_CANARY}\n", LOG_FORMAT=" json ")

    assert settings.cron_secrets == (Secret(LONG_CANARY),)
    assert settings.log_format == "json"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RUN_DDL_ON_STARTUP", CANARY),
        ("CRON_SECRET", CANARY),
        ("CRON_SECRET", f"{LONG_CANARY} {LONG_CANARY}"),
        ("CRON_SECRET_PREVIOUS", f"{LONG_CANARY}é"),
        ("API_TOKEN", CANARY),
        ("ADMIN_TOKEN", CANARY),
        ("HEARTBEAT_URL_EBAY_CYCLE", CANARY),
        ("HEARTBEAT_URL_TOKEN_REFRESH", CANARY),
        ("HEARTBEAT_URL_EBAY_CYCLE", f"https://hc-ping.com:{CANARY}/"),
        ("WORKERS_MAX_PARALLEL", CANARY),
        ("WORKERS_MAX_PARALLEL", "0"),
        ("WORKERS_MAX_PARALLEL", "65"),
        ("HTTP_DEADLINE_S", CANARY),
        ("HTTP_DEADLINE_S", "0"),
        ("HTTP_DEADLINE_S", "inf"),
        ("HTTP_DEADLINE_S", "nan"),
        ("LEASE_S", CANARY),
        ("LEASE_S", "-1"),
        ("LEASE_S", "3601"),
        ("LOG_LEVEL", CANARY),
        ("LOG_FORMAT", CANARY),
        ("CRONSHOT_HOME", f"~{CANARY}/x"),
        ("INTAKE_FOLDERS", CANARY),
        ("INTAKE_FOLDERS", f"/srv/x:{CANARY}/.."),
        ("INTAKE_BUCKETS", f"s3://{CANARY}"),
        ("COMPAT_ENV", CANARY),
    ],
)
def test_a_wrong_setting_is_named_and_not_repeated(load: Load, name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(**{name: value})

    said = str(caught.value)
    assert said.startswith(f"{name}: ")
    assert said.endswith("; see .env.example")
    assert CANARY not in said
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_all_that_is_wrong_is_told_at_once(load: Load) -> None:
    with pytest.raises(ConfigurationError, match=r"WORKERS_MAX_PARALLEL: .*; LEASE_S: "):
        load(WORKERS_MAX_PARALLEL="x", LEASE_S="x")


def test_secrets_do_not_show_themselves(load: Load) -> None:
    settings = load(
        DATABASE_URL=f"postgresql://u:{CANARY}@h/d",
        CRON_SECRET=LONG_CANARY,
        ENCRYPTION_KEYS=f"k:{CANARY}",
        EBAY_PRODUCTION_CLIENT_SECRET=CANARY,
        HEARTBEAT_URL_EBAY_CYCLE=f"https://hc-ping.com/{CANARY}",
    )

    assert CANARY not in f"{settings!r} {settings} {settings.cron_secrets} {settings.model_dump()}"


def test_env_is_read_on_a_machine_and_the_environment_comes_first(
    load: Load, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=debug\nLEASE_S=30\nNOBODYS=1\n")

    settings = load(LOG_LEVEL="error", LEASE_S="")

    assert settings.log_level == "error"
    assert settings.lease_s == 30


def test_env_is_not_read_on_lambda(load: Load, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"LOG_LEVEL={CANARY}\n")

    settings = load(AWS_LAMBDA_FUNCTION_NAME="ebayCycle")

    assert settings.on_lambda
    assert settings.log_level == "info"


def test_another_file_may_be_named_or_none(load: Load, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=debug\n")
    (tmp_path / "other").write_text("LOG_LEVEL=error\n")

    assert load().log_level == "debug"
    assert load(CRONSHOT_ENV_FILE="other").log_level == "error"
    assert load(CRONSHOT_ENV_FILE="").log_level == "info"
    assert load(AWS_LAMBDA_FUNCTION_NAME="f", CRONSHOT_ENV_FILE="other").log_level == "info"
    with pytest.raises(ConfigurationError, match="absent cannot be read: FileNotFoundError"):
        load(CRONSHOT_ENV_FILE="absent")


@pytest.mark.parametrize("line", [CANARY, f"CRON_SECRET: {CANARY}", f"A B={CANARY}", "export A"])
def test_a_line_that_sets_nothing_is_named_and_not_repeated(
    load: Load, tmp_path: Path, line: str
) -> None:
    (tmp_path / ".env").write_text(f"# a comment\nLEASE_S=30\n\n{line}\nLOG_LEVEL=debug\n")

    with pytest.raises(ConfigurationError, match=r"^\.env, line 4: must read NAME=value") as caught:
        load()

    assert CANARY not in str(caught.value)


def test_what_a_line_of_an_env_may_look_like(load: Load, tmp_path: Path) -> None:
    lines = ["", "# comment", "export LEASE_S='30' # so", "  LOG_LEVEL = debug", "DATABASE_URL="]
    (tmp_path / ".env").write_text("\r\n".join([*lines, 'CRONSHOT_HOME="a', 'b"', ""]))

    settings = load()

    assert (settings.lease_s, settings.log_level) == (30, "debug")
    assert settings.database_url is None


def test_an_env_that_is_no_text_is_named(load: Load, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(f"CRON_SECRET={CANARY}".encode() + b"\xff\n")

    with pytest.raises(ConfigurationError, match=r"\.env cannot be read"):
        load()


def test_overrides_come_before_everything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {"DATABASE_URL": "postgresql://real@db/x", "COMPAT_ENV": "1"}
    environment["SUPABASE_DB_URL"] = "postgresql://real@supabase/x"
    with patch.dict(os.environ, environment, clear=True):
        settings = Settings.load({"database_url": None, "lease_s": 5})

    assert settings.database_url is None
    assert settings.lease_s == 5


TLS = "?sslmode=require"
SUPABASE = {
    "SUPABASE_MODE": "prod",
    "SUPABASE_DB_URL_PROD": "postgresql://prod@db/x",
    "SUPABASE_DB_URL": "postgresql://dev@db/x",
    "SUPABASE_URL": "https://abcdef.supabase.co",
    "SUPABASE_DB_PASSWORD": "p:/@ w",
    "POSTGRES_HOST": "pg.example",
    "POSTGRES_PORT": "6543",
    "POSTGRES_USER": "me",
    "POSTGRES_PASSWORD": "s#cret",
    "POSTGRES_DB": "shop",
}


@pytest.mark.parametrize(
    ("without", "expected"),
    [
        ((), "postgresql://prod@db/x"),
        (("SUPABASE_MODE",), "postgresql://dev@db/x"),
        (("SUPABASE_DB_URL_PROD",), "postgresql://dev@db/x"),
        (
            ("SUPABASE_MODE", "SUPABASE_DB_URL"),
            f"postgresql://postgres:p%3A%2F%40%20w@db.abcdef.supabase.co:5432/postgres{TLS}",
        ),
        (
            ("SUPABASE_DB_URL_PROD", "SUPABASE_DB_URL", "SUPABASE_URL", "SUPABASE_DB_PASSWORD"),
            "postgresql://me:s%23cret@pg.example:6543/shop",
        ),
        (tuple(SUPABASE), None),
    ],
)
def test_with_compat_env_the_first_of_the_replaced_variables_wins(
    load: Load, without: tuple[str, ...], expected: str | None
) -> None:
    left = {name: value for name, value in SUPABASE.items() if name not in without}

    assert address(load(COMPAT_ENV="1", **left)) == expected
    assert address(load(**left)) is None
    assert address(load(COMPAT_ENV="1", DATABASE_URL="postgresql://ours@db/x", **left)) == (
        "postgresql://ours@db/x"
    )


def test_the_replaced_variables_are_read_from_env_as_well(load: Load, tmp_path: Path) -> None:
    lines = [f"{name}={value}" for name, value in SUPABASE.items()]
    (tmp_path / ".env").write_text("\n".join(["COMPAT_ENV=1", *lines]))

    assert address(load()) == "postgresql://prod@db/x"
    assert address(load(SUPABASE_MODE="dev")) == "postgresql://dev@db/x"
    assert address(load(AWS_LAMBDA_FUNCTION_NAME="f")) is None


def test_a_port_has_a_default(load: Load) -> None:
    given = {name: SUPABASE[name] for name in SUPABASE if name.startswith("POSTGRES_")}
    del given["POSTGRES_PORT"]

    assert address(load(COMPAT_ENV="1", **given)) == "postgresql://me:s%23cret@pg.example:5432/shop"


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (("SUPABASE_URL",), "SUPABASE_DB_PASSWORD"),
        (("SUPABASE_DB_PASSWORD",), "SUPABASE_URL"),
        (("POSTGRES_HOST", "POSTGRES_USER", "POSTGRES_DB"), "POSTGRES_PASSWORD"),
        (("POSTGRES_PORT",), "POSTGRES_HOST, POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB"),
        (("POSTGRES_PASSWORD",), "POSTGRES_HOST, POSTGRES_USER, POSTGRES_DB"),
    ],
)
def test_an_incomplete_set_names_what_is_missing(
    load: Load, given: tuple[str, ...], missing: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"COMPAT_ENV=1: {missing} must be set") as caught:
        load(COMPAT_ENV="1", **{name: SUPABASE[name] for name in given})

    assert "s#cret" not in str(caught.value)
    assert "p:/@ w" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_PORT", CANARY),
        ("POSTGRES_PORT", "70000"),
        ("SUPABASE_URL", f"http://{CANARY}.supabase.co"),
        ("SUPABASE_URL", f"https://abc.{CANARY}.co"),
    ],
)
def test_a_wrong_replaced_variable_is_named_and_not_repeated(
    load: Load, name: str, value: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}: ") as caught:
        load(COMPAT_ENV="1", SUPABASE_DB_PASSWORD="x", **{name: value})

    assert CANARY not in str(caught.value)


def test_lambda_without_database_refuses_to_start_one(load: Load) -> None:
    settings = load(AWS_LAMBDA_FUNCTION_NAME="ebayCycle")

    with (
        pytest.raises(ConfigurationError, match="DATABASE_URL is not set"),
        opening.connected(settings, make_log("info", None)),
    ):
        pass


@pytest.mark.parametrize(
    "environment",
    [{"DATABASE_URL": "postgresql://a@b/c"}, {"AWS_LAMBDA_FUNCTION_NAME": "ebayCycle"}],
)
def test_tokens_are_never_kept_without_a_key(load: Load, environment: dict[str, str]) -> None:
    settings = load(**environment)

    with pytest.raises(ConfigurationError, match="ENCRYPTION_KEYS is not set"):
        ebay_clients.cipher(settings)


def test_the_example_lists_what_is_read_and_nothing_else() -> None:
    example = (ROOT / ".env.example").read_text()
    listed = re.findall(r"^#([A-Z_]+)=", example, re.MULTILINE)

    assert sorted(listed) == sorted({name.upper() for name in Settings.model_fields} - SET_BY_AWS)
    told = set(re.findall(r"[A-Z]+_[A-Z_]+", example))
    assert {name.upper() for name in Replaced.model_fields} <= told
    assert ENV_FILE in told


def test_every_setting_is_one_of_the_contract() -> None:
    contract = ROOT.parent / "shared" / "design.md"
    if not contract.exists():
        pytest.skip("../shared/design.md is not there")
    section = contract.read_text().split("## 12. Settings")[1].split("\n## ")[0]
    named = set(re.findall(r"`([A-Z][A-Z_]+)`", section))
    named |= {"EBAY_PRODUCTION_CLIENT_SECRET", "EBAY_SANDBOX_CLIENT_ID"}
    named |= {"EBAY_PRODUCTION_RUNAME", "EBAY_SANDBOX_RUNAME"}
    named |= {"HEARTBEAT_URL_TOKEN_REFRESH", "HEARTBEAT_URL_QUEUE_DRAIN"}  # one per worker

    there = {name.upper() for name in Settings.model_fields} - SET_BY_AWS - NOT_IN_THE_CONTRACT

    assert there - named - {"EBAY_SANDBOX_CLIENT_SECRET"} == set()


def test_the_example_can_be_copied_as_it_is(load: Load, tmp_path: Path) -> None:
    example = (ROOT / ".env.example").read_text()
    (tmp_path / ".env").write_text(example)
    assert load().model_dump() == Settings().model_dump()

    filled = re.sub(r"^#([A-Z_]+=\S+)$", r"\1", example, flags=re.MULTILINE)
    (tmp_path / ".env").write_text(filled)

    assert address(load()) is not None


@pytest.mark.parametrize(
    ("line", "doubts"),
    [
        ("DATABSE_URL=postgresql://canary-9b1d", ["DATABSE_URL; did you mean DATABASE_URL?"]),
        ("encryption_key=canary-9b1d", ["ENCRYPTION_KEY; did you mean ENCRYPTION_KEYS?"]),
        ("database_url=postgresql://canary-9b1d", []),
        ("SHOP_COLOUR=canary-9b1d", []),
        ("EBAY_PRODUCTION_DEV_ID=canary-9b1d", []),
        ("SMTP_FROM=a@example.com\nSMTP_FROMS=canary-9b1d", []),
        ("LOG_LEVEL=info\nLOG_LEVELS=info", []),
        ("", []),
    ],
)
def test_a_name_in_env_that_is_nearly_a_setting_is_doubted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, doubts: list[str]
) -> None:
    """Other programs may share the file, so it is no error; and no value is repeated."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"{line}\n")

    with patch.dict(os.environ, {}, clear=True):
        told = Settings.load().doubts()

    assert len(told) == len(doubts)
    for sentence, expected in zip(told, doubts, strict=True):
        assert expected in sentence
        assert sentence.startswith(".env: there is no setting ")
        assert CANARY not in sentence


def test_what_the_environment_sets_is_not_meant_by_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("DATABSE_URL=x\n")

    with patch.dict(os.environ, {"DATABASE_URL": "y"}, clear=True):
        assert Settings.load().doubts() == []
    with patch.dict(os.environ, {"CRONSHOT_ENV_FILE": ""}, clear=True):
        assert Settings.load().doubts() == []


def test_who_does_not_read_env_doubts_nothing_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("DATABSE_URL=x\nno setting at all\n")

    assert Settings(_env_file=None).doubts() == []
