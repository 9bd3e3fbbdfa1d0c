"""Settings: the only reader of the environment. Secrets print as `***`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import ConfigurationError
from core.secret import Secret
from infra.aws.parameters import parameters_below

SIMULATOR_CLIENT_ID = "cronshot-simulator"
SIMULATOR_CLIENT_SECRET = "cronshot-simulator-secret"  # noqa: S105  (the simulator's; it guards nothing)
SHORTEST_SECRET = 16


class Settings(BaseSettings):
    """Names as in the environment, upper case; see `.env.example`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    database_url: SecretStr | None = None
    database_url_direct: SecretStr | None = None
    run_ddl_on_startup: bool | None = None
    cron_secret: SecretStr | None = None
    cron_secret_previous: SecretStr | None = None
    encryption_keys: SecretStr | None = None
    ebay_production_client_id: str | None = None
    ebay_production_client_secret: SecretStr | None = None
    ebay_sandbox_client_id: str | None = None
    ebay_sandbox_client_secret: SecretStr | None = None
    ebay_simulator_api_url: str | None = None
    ebay_simulator_apiz_url: str | None = None
    heartbeat_url_ebay_cycle: SecretStr | None = None
    public_url: str | None = None
    base_path: str = ""
    workers_max_parallel: int = Field(default=4, ge=1, le=64)
    http_deadline_s: float = Field(default=25.0, gt=0)
    lease_s: float = Field(default=60.0, gt=0, le=3600)
    log_level: str = "info"
    log_format: str | None = None
    ssm_prefix: str | None = None
    aws_lambda_function_name: str | None = None
    cronshot_home: Path = Path(".cronshot")

    @field_validator("cron_secret", "cron_secret_previous")
    @classmethod
    def _strong(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < SHORTEST_SECRET:
            raise ValueError(f"is shorter than {SHORTEST_SECRET} characters")
        return secret

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
    def cron_secrets(self) -> tuple[Secret, ...]:
        """Two are valid while the callers change over."""
        both = (self.cron_secret, self.cron_secret_previous)
        return tuple(Secret(each.get_secret_value()) for each in both if each is not None)

    @classmethod
    def load(cls, overrides: Mapping[str, object] | None = None) -> Self:
        """From the environment and, on a machine, `.env`.

        `overrides` come first. Raises ConfigurationError, which names the variable and repeats no
        value.
        """
        on_lambda = "AWS_LAMBDA_FUNCTION_NAME" in os.environ  # noqa: TID251  (this is the reader)
        env_file = None if on_lambda else ".env"
        try:
            given: dict[str, Any] = _from_aws() | _compatible() | dict(overrides or {})
            return cls(_env_file=env_file, **given)
        except ValidationError as error:
            raise ConfigurationError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    """pydantic's own text would repeat the value."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    variable = str(first["loc"][0]).upper() if first["loc"] else "a setting"
    return f"{variable}: {first['msg']}; see .env.example"


def _from_aws() -> dict[str, object]:
    """Below SSM_PREFIX, under the variables' names; the environment itself comes first."""
    environment = os.environ  # noqa: TID251  (this is the reader)
    prefix = environment.get("SSM_PREFIX")
    if not prefix:
        return {}
    found = parameters_below(prefix)
    return {name.lower(): value for name, value in found.items() if not environment.get(name)}


def _compatible() -> dict[str, object]:
    """With COMPAT_ENV=1 the variables of the systems that Cronshot replaces; first set wins."""
    environment = os.environ  # noqa: TID251  (this is the reader)
    if environment.get("COMPAT_ENV") != "1" or environment.get("DATABASE_URL"):
        return {}
    found = _supabase(environment) or _postgres(environment)
    return {"database_url": found} if found else {}


def _supabase(environment: Mapping[str, str]) -> str | None:
    if environment.get("SUPABASE_MODE") == "prod" and environment.get("SUPABASE_DB_URL_PROD"):
        return environment["SUPABASE_DB_URL_PROD"]
    if environment.get("SUPABASE_DB_URL"):
        return environment["SUPABASE_DB_URL"]
    url, password = environment.get("SUPABASE_URL"), environment.get("SUPABASE_DB_PASSWORD")
    if not url and not password:
        return None
    if not url or not password:
        raise ConfigurationError(
            "SUPABASE_URL and SUPABASE_DB_PASSWORD belong together, and one of them is missing"
        )
    project = url.removeprefix("https://").split(".", 1)[0]
    host = f"db.{project}.supabase.co"
    return f"postgresql://postgres:{quote(password, safe='')}@{host}:5432/postgres?sslmode=require"


def _postgres(environment: Mapping[str, str]) -> str | None:
    names = ("POSTGRES_HOST", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB")
    values = [environment.get(name) for name in names]
    if not any(values):
        return None
    missing = [name for name, value in zip(names, values, strict=True) if not value]
    if missing:
        raise ConfigurationError(f"{missing[0]} is missing beside the other POSTGRES_ variables")
    host, user, password, database = (quote(str(value), safe="") for value in values)
    port = environment.get("POSTGRES_PORT") or "5432"
    return f"postgresql://{user}:{password}@{host}:{port}/{database}"
