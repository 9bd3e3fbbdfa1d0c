"""Settings: the only reader of the environment. Secrets print as `***`."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import ConfigurationError
from core.secret import Secret
from infra.aws.parameters import parameters_below
from infra.env_file import env_file, mistyped

SIMULATOR_CLIENT_ID = "cronshot-simulator"
SIMULATOR_CLIENT_SECRET = "cronshot-simulator-secret"  # noqa: S105  (the simulator's; it guards nothing)
SIMULATOR_RUNAME = "cronshot-simulator-runame"
SHORTEST_SECRET = 16
RESERVED = {"EBAY_PRODUCTION_DEV_ID", "EBAY_SANDBOX_DEV_ID"}
"""Part of a keyset, and read by nobody yet."""
PROJECT = re.compile(r"https://([a-z0-9]+)\.supabase\.(?:co|in)/?")
VERIFICATION_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,80}")
READ_AS_GIVEN = SettingsConfigDict(
    frozen=True,
    extra="ignore",
    env_ignore_empty=True,
    hide_input_in_errors=True,
    str_strip_whitespace=True,
    allow_inf_nan=False,
)


class Settings(BaseSettings):
    """Names as in the environment, upper case; see `.env.example`."""

    model_config = READ_AS_GIVEN

    database_url: SecretStr | None = None
    database_url_direct: SecretStr | None = None
    run_ddl_on_startup: bool | None = None
    cron_secret: SecretStr | None = None
    cron_secret_previous: SecretStr | None = None
    admin_token: SecretStr | None = None
    api_token: SecretStr | None = None
    encryption_keys: SecretStr | None = None
    ebay_production_client_id: str | None = None
    ebay_production_client_secret: SecretStr | None = None
    ebay_production_runame: str | None = None
    ebay_sandbox_client_id: str | None = None
    ebay_sandbox_client_secret: SecretStr | None = None
    ebay_sandbox_runame: str | None = None
    ebay_simulator_api_url: str | None = None
    ebay_simulator_apiz_url: str | None = None
    ebay_notification_verification_token: SecretStr | None = None
    ebay_notification_endpoint: str | None = None
    heartbeat_url_ebay_cycle: SecretStr | None = None
    heartbeat_url_token_refresh: SecretStr | None = None
    heartbeat_url_queue_drain: SecretStr | None = None
    http_allowed_hosts: str = ""
    http_allow_loopback: bool = False
    http_bearer_tokens: SecretStr | None = None
    telegram_bot_token: SecretStr | None = None
    telegram_api_url: str = "https://api.telegram.org"
    telegram_webhook_secret: SecretStr | None = None
    telegram_allowed_chat_ids: str = ""
    notify_webhook_secret: SecretStr | None = None
    notify_webhook_secret_previous: SecretStr | None = None
    alert_webhook_url: SecretStr | None = None
    intake_folders: str = ""
    intake_buckets: str = ""
    smtp_url: SecretStr | None = None
    smtp_from: str | None = None
    public_url: str | None = None
    base_path: str = ""
    workers_max_parallel: int = Field(default=4, ge=1, le=64)
    http_deadline_s: float = Field(default=25.0, gt=0)
    lease_s: float = Field(default=60.0, ge=1, le=3600)
    retention_days: int = Field(default=30, ge=1, le=3650)
    log_level: str = "info"
    log_format: str | None = None
    ssm_prefix: str | None = None
    aws_lambda_function_name: str | None = None
    cronshot_home: Path = Path(".cronshot")
    compat_env: bool = False
    _file: Path | None = None

    @field_validator("cron_secret", "cron_secret_previous", "admin_token", "api_token")
    @classmethod
    def _strong(cls, secret: SecretStr | None) -> SecretStr | None:
        """Such as a header can carry: with a space in it nobody could ever send it."""
        if secret is None:
            return secret
        value = secret.get_secret_value()
        if len(value) < SHORTEST_SECRET:
            raise ValueError(f"is shorter than {SHORTEST_SECRET} characters")
        if not value.isascii() or not value.isprintable() or " " in value:
            raise ValueError("must be ASCII without spaces, as a header carries it")
        return secret

    @field_validator("ebay_notification_verification_token")
    @classmethod
    def _as_ebay_wants(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not VERIFICATION_TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError("must be 32 to 80 letters, digits, `-` and `_`, as eBay wants it")
        return token

    @field_validator("ebay_notification_endpoint")
    @classmethod
    def _endpoint(cls, url: str | None) -> str | None:
        if url is not None and not _is_address(url):
            raise ValueError("must look like https://cronshot.example.com/webhooks/ebay")
        return url

    @field_validator(
        "heartbeat_url_ebay_cycle", "heartbeat_url_token_refresh", "heartbeat_url_queue_drain"
    )
    @classmethod
    def _address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _is_address(url.get_secret_value()):
            raise ValueError("must look like https://hc-ping.com/…")
        return url

    @field_validator(
        "http_allowed_hosts",
        "http_bearer_tokens",
        "telegram_bot_token",
        "telegram_api_url",
        "telegram_webhook_secret",
        "telegram_allowed_chat_ids",
        "notify_webhook_secret",
        "notify_webhook_secret_previous",
        "alert_webhook_url",
        "smtp_url",
        "smtp_from",
    )
    @classmethod
    def _outward(cls, given: Any, about: ValidationInfo) -> Any:
        """Asked only about what is set: nobody else pays for the import."""
        from infra.outward_settings import checked  # noqa: PLC0415  (as said above)

        return checked(about.field_name, given)

    @field_validator("intake_folders", "intake_buckets")
    @classmethod
    def _of_the_intake(cls, listed: str, about: ValidationInfo) -> str:
        if listed:
            from infra.intake.allowed import READERS  # noqa: PLC0415  (as above)

            READERS[about.field_name or ""](listed)
        return listed

    @field_validator("public_url")
    @classmethod
    def _public(cls, url: str | None) -> str | None:
        if url is not None and (not _is_address(url) or urlsplit(url).query):
            raise ValueError("must look like https://cronshot.example.com")
        return None if url is None else url.rstrip("/")

    @field_validator("cronshot_home")
    @classmethod
    def _expanded(cls, folder: Path) -> Path:
        """`.env` and systemd know no `~`, and would make a folder of that name."""
        try:
            return folder.expanduser()
        except RuntimeError as error:
            raise ValueError("names a home folder that is not there") from error

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, level: str) -> str:
        if level.lower() not in {"debug", "info", "warning", "error"}:
            raise ValueError("must be debug, info, warning or error")
        return level.lower()

    @field_validator("log_format")
    @classmethod
    def _known_format(cls, form: str | None) -> str | None:
        if form not in {None, "json", "text"}:
            raise ValueError("must be json or text")
        return form

    @field_validator("base_path")
    @classmethod
    def _path(cls, path: str) -> str:
        trimmed = path.strip("/")
        return f"/{trimmed}" if trimmed else ""

    @property
    def on_lambda(self) -> bool:
        return self.aws_lambda_function_name is not None

    @property
    def ebay_notification_environment(self) -> str:
        """Whose notifications come: those of the keys that are set, production's before others."""
        if self.ebay_production_client_id is None and self.ebay_sandbox_client_id is not None:
            return "sandbox"
        simulated = self.ebay_production_client_id is None and self.ebay_simulator_api_url
        return "simulator" if simulated else "production"

    @property
    def cron_secrets(self) -> tuple[Secret, ...]:
        """Two are valid while the callers change over."""
        both = (self.cron_secret, self.cron_secret_previous)
        return _secrets(*both)

    @property
    def api_tokens(self) -> tuple[Secret, ...]:
        return _secrets(self.api_token)

    @classmethod
    def load(cls, overrides: Mapping[str, object] | None = None) -> Self:
        """From the environment and, on a machine, `.env` or the file that CRONSHOT_ENV_FILE names.

        `overrides` come first. Raises ConfigurationError, which names the variable and repeats no
        value.
        """
        file = env_file(os.environ)  # noqa: TID251  (this is the reader)
        try:
            given: dict[str, Any] = _from_aws() | dict(overrides or {})
            settings = cls(_env_file=file, **given)
            settings._file = file
            if not settings.compat_env or "database_url" in given or settings.database_url:
                return settings
            url = Replaced(_env_file=file).database_url()
            return settings.model_copy(update={"database_url": url})
        except ValidationError as error:
            raise ConfigurationError(_sentence(error)) from None

    def doubts(self) -> list[str]:
        """Names in `.env` that are probably meant for us and are none of ours."""
        if self._file is None:
            return []
        known = {name.upper() for name in (*Settings.model_fields, *Replaced.model_fields)}
        given = {name.upper() for name in self.model_fields_set}
        return mistyped(self._file, known | RESERVED, given)


def _from_aws() -> dict[str, object]:
    """Below SSM_PREFIX, under the variables' names; the environment itself comes first."""
    environment = os.environ  # noqa: TID251  (this is the reader)
    prefix = environment.get("SSM_PREFIX")
    if not prefix:
        return {}
    found = parameters_below(prefix)
    return {name.lower(): value for name, value in found.items() if not environment.get(name)}


class Replaced(BaseSettings):
    """Where the systems that Cronshot replaces keep their database; read with COMPAT_ENV=1."""

    model_config = READ_AS_GIVEN

    supabase_mode: str | None = None
    supabase_db_url_prod: SecretStr | None = None
    supabase_db_url: SecretStr | None = None
    supabase_url: str | None = None
    supabase_db_password: SecretStr | None = None
    postgres_host: str | None = None
    postgres_port: int | None = Field(default=None, ge=1, le=65535)
    postgres_user: str | None = None
    postgres_password: SecretStr | None = None
    postgres_db: str | None = None

    @field_validator("supabase_url")
    @classmethod
    def _project(cls, url: str | None) -> str | None:
        if url is not None and not PROJECT.fullmatch(url):
            raise ValueError("must look like https://PROJECT.supabase.co")
        return url

    def database_url(self) -> SecretStr | None:
        """The first that is set. Raises ConfigurationError for a set that is incomplete."""
        if self.supabase_mode == "prod" and self.supabase_db_url_prod is not None:
            return self.supabase_db_url_prod
        return self.supabase_db_url or self._supabase() or self._postgres()

    def _supabase(self) -> SecretStr | None:
        url, password = self.supabase_url, self.supabase_db_password
        if url is None and password is None:
            return None
        _complete({"SUPABASE_URL": url, "SUPABASE_DB_PASSWORD": password})
        assert url is not None
        host = PROJECT.sub(r"db.\1.supabase.co", url)
        return SecretStr(
            f"postgresql://postgres:{_quoted(password)}@{host}:5432/postgres?sslmode=require"
        )

    def _postgres(self) -> SecretStr | None:
        user, password = self.postgres_user, self.postgres_password
        host, database = self.postgres_host, self.postgres_db
        if not (host or user or password or database or self.postgres_port):
            return None
        _complete(
            {
                "POSTGRES_HOST": host,
                "POSTGRES_USER": user,
                "POSTGRES_PASSWORD": password,
                "POSTGRES_DB": database,
            }
        )
        place = f"{_quoted(host)}:{self.postgres_port or 5432}/{_quoted(database)}"
        return SecretStr(f"postgresql://{_quoted(user)}:{_quoted(password)}@{place}")


def _secrets(*given: SecretStr | None) -> tuple[Secret, ...]:
    return tuple(Secret(each.get_secret_value()) for each in given if each is not None)


def _complete(values: Mapping[str, str | SecretStr | None]) -> None:
    missing = [name for name, value in values.items() if not value]
    if missing:
        raise ConfigurationError(
            f"COMPAT_ENV=1: {', '.join(missing)} must be set beside"
            f" {', '.join(name for name in values if name not in missing) or 'POSTGRES_PORT'}"
        )


def _quoted(value: str | SecretStr | None) -> str:
    return quote(value.get_secret_value() if isinstance(value, SecretStr) else value or "", safe="")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _sentence(error: ValidationError) -> str:
    """pydantic's own text would repeat the value."""
    told = []
    for each in error.errors(include_input=False, include_url=False, include_context=False):
        variable = str(each["loc"][0]).upper() if each["loc"] else "a setting"
        told.append(f"{variable}: {each['msg'].removeprefix('Value error, ')}")
    return f"{'; '.join(told)}; see .env.example"
