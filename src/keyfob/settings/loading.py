"""Reading the settings: environment, `.env`, and a `*_FILE` for every secret."""

import difflib
import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from keyfob.settings.sections import (
    DatabaseSettings,
    FirstAdminSettings,
    LimitSettings,
    ObservabilitySettings,
    PasswordSettings,
    RecordSettings,
    SecretSettings,
    ServerSettings,
    SessionSettings,
    TokenSettings,
)

PREFIX = "KEYFOB_"


class WrongSetting(Exception):
    """A setting that cannot be used; the message names the variable and what it should be."""


class Settings(
    ServerSettings,
    DatabaseSettings,
    SecretSettings,
    TokenSettings,
    SessionSettings,
    PasswordSettings,
    LimitSettings,
    RecordSettings,
    FirstAdminSettings,
    ObservabilitySettings,
    BaseSettings,
):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    @property
    def issuer_url(self) -> str:
        """The `iss` claim: as configured, or where a newcomer's browser finds the service."""
        return self.issuer or f"http://localhost:{self.port}{self.root_path}"

    @property
    def dsn(self) -> str:
        """The database's URL.

        Raises:
            WrongSetting: none is set; `boot.complete` would have started the embedded one.
        """
        if self.database_url is None:
            raise WrongSetting(f"{PREFIX}DATABASE_URL: should be set")
        return self.database_url.get_secret_value()

    @property
    def secret_keys(self) -> list[str]:
        """The secret keyring, newest first.

        Raises:
            WrongSetting: none is set; `boot.complete` would have made one.
        """
        if self.secret_key is None:
            raise WrongSetting(f"{PREFIX}SECRET_KEY: should be set")
        return [key.strip() for key in self.secret_key.get_secret_value().split(",")]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _SecretFiles(settings_cls), env_settings, dotenv_settings


def variable_of(field: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + field.upper()


def secret_fields() -> list[str]:
    """Name the fields that hold secrets, each of which has a `*_FILE` variant."""
    return [
        name for name, info in Settings.model_fields.items() if "SecretStr" in str(info.annotation)
    ]


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads `KEYFOB_X_FILE` for every secret field X, without the final line break."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(f"{variable_of(field_name)}_FILE")
        if not path or "SecretStr" not in str(field.annotation):
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False
        except OSError as fault:
            raise WrongSetting(
                f"{variable_of(field_name)}_FILE: cannot be read: {fault.strerror}"
            ) from None

    def __call__(self) -> dict[str, Any]:
        found = {
            name: self.get_field_value(info, name)[0]
            for name, info in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment and `.env`; overrides win.

    Raises:
        WrongSetting: a value does not fit, or a `KEYFOB_` variable is unknown.
    """
    _refuse_unknown_variables()
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as fault:
        first = fault.errors(include_input=False, include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        raise WrongSetting(f"{variable_of(str(first['loc'][0]))}: {message}") from None


def _refuse_unknown_variables() -> None:
    known = {variable_of(name) for name in Settings.model_fields}
    known |= {f"{variable_of(name)}_FILE" for name in secret_fields()}
    dotenv = DotEnvSettingsSource(Settings).env_vars  # keys arrive in lower case
    given = {name for name in os.environ if name.startswith(PREFIX)}
    given |= {name.upper() for name in dotenv if name.upper().startswith(PREFIX)}
    for name in sorted(given - known):
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise WrongSetting(f"{name}: there is no such setting{hint}")
