"""Reading the settings: environment, `.env`, and a `*_FILE` for every secret."""

import os
from collections.abc import Callable, Mapping
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

from keyfob.settings.account import AccountSettings, FactorSettings, MailSettings
from keyfob.settings.brand import BrandSettings
from keyfob.settings.database import DatabaseSettings
from keyfob.settings.database_url import read_database_url
from keyfob.settings.files import read_short
from keyfob.settings.outbound import OutboundSettings
from keyfob.settings.pages import PageSettings
from keyfob.settings.provider import ProviderSettings
from keyfob.settings.rates import LimitSettings
from keyfob.settings.sections import (
    FirstAdminSettings,
    ObservabilitySettings,
    PasswordSettings,
    RecordSettings,
    SecretSettings,
    ServerSettings,
    SessionSettings,
    TokenSettings,
)
from keyfob.settings.self_registration import SelfRegistrationSettings
from keyfob.settings.urls import with_ascii_host
from keyfob.settings.variables import (
    DOTENV,
    PREFIX,
    Environment,
    WrongSetting,
    refuse_what_does_not_count,
)


class Settings(
    ServerSettings,
    DatabaseSettings,
    SecretSettings,
    TokenSettings,
    SessionSettings,
    PasswordSettings,
    LimitSettings,
    MailSettings,
    BrandSettings,
    AccountSettings,
    FactorSettings,
    OutboundSettings,
    SelfRegistrationSettings,
    PageSettings,
    ProviderSettings,
    RecordSettings,
    FirstAdminSettings,
    ObservabilitySettings,
    BaseSettings,
):
    """All settings."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=DOTENV, env_ignore_empty=True, extra="ignore", frozen=True
    )

    @property
    def issuer_url(self) -> str:
        """The `iss` claim: as configured, or the address for a browser on this machine."""
        return self.issuer or f"http://localhost:{self.port}{self.root_path}"

    @property
    def hosts(self) -> list[str]:
        """The addresses, host names, and `unix:` paths to listen on."""
        return [host.strip() for host in self.host.split(",") if host.strip()]

    @property
    def listens_on_socket(self) -> bool:
        """True if the service listens on a unix socket."""
        return any(host.startswith("unix:") for host in self.hosts)

    @property
    def strict_transport(self) -> str | None:
        """The value of Strict-Transport-Security (RFC 6797); None if it is not to be sent."""
        if not self.hsts:
            return None
        return "max-age=31536000" + ("; includeSubDomains" if self.hsts_subdomains else "")

    @property
    def public_base(self) -> str:
        """The URL of links in mails, without a slash at the end; never taken from a request.

        Its host is in ASCII, the only form in mail servers, browsers' origins and RP IDs.
        """
        return with_ascii_host((self.public_url or self.issuer_url).rstrip("/"))

    @property
    def dsn(self) -> str:
        """The database's URL.

        Raises:
            WrongSetting: none is set; `boot.complete` would have started the embedded one.
        """
        if self.database_url is None:
            raise WrongSetting(f"{PREFIX}DATABASE_URL: should be set")
        return read_database_url(self.database_url.get_secret_value()).dsn

    @property
    def direct_dsn(self) -> str:
        """The URL of the database without its pooler, if there is one."""
        direct = self.database_direct_url
        return self.dsn if direct is None else read_database_url(direct.get_secret_value()).dsn

    @property
    def remarks(self) -> list[str]:
        """Settings that have no effect, a line each, with the variable and the reason."""
        return self.remarks_said(str)

    def remarks_said(self, say: Callable[[str], str]) -> list[str]:
        """Return the remarks in a language; `say` translates a sentence into it."""
        urls = {"database_url": self.database_url, "database_direct_url": self.database_direct_url}
        return [
            f"{variable_of(field)}: {remark.said(say)}"
            for field, url in urls.items()
            if url is not None
            for remark in read_database_url(url.get_secret_value()).remarks
        ]

    @property
    def polls(self) -> bool:
        """True if workers poll for revocations: by setting, or behind a pooler without direct URL.

        Raises:
            WrongSetting: the settings demand to listen there. A pooler in transaction mode accepts
                LISTEN without an error, and delivers nothing.
        """
        hidden = self.database_pooler != "none" and self.database_direct_url is None
        if hidden and self.feed == "notify":
            raise WrongSetting(
                f"{PREFIX}DATABASE_DIRECT_URL: should be set, for {PREFIX}FEED is notify, and "
                f"nothing can listen through {PREFIX}DATABASE_POOLER"
            )
        return hidden or self.feed == "poll"

    @property
    def secret_keys(self) -> list[str]:
        """The secret keyring: the first key encrypts and signs, all of them decrypt.

        Raises:
            WrongSetting: there is none; `boot.complete` would have created one.
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
        return (
            init_settings,
            _SecretFiles(settings_cls, os.environ),
            Environment(settings_cls),
            _SecretFiles(settings_cls, _variables_of(dotenv_settings)),
            dotenv_settings,
        )


def variable_of(field: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + field.upper()


def secret_fields() -> list[str]:
    """Return the fields with secrets, each of which has a `*_FILE` variant."""
    return [name for name, info in Settings.model_fields.items() if _is_secret(info)]


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _is_surely_a_path(text: str) -> bool:
    """Tell whether it may be printed. Threat: it is the secret itself, instead of its file."""
    return text.startswith("/") and os.path.isdir(text.rpartition("/")[0])  # noqa: PTH112 - Path raises for some


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads `KEYFOB_X_FILE` for every secret field X, without the final line break."""

    def __init__(self, settings_cls: type[BaseSettings], given: Mapping[str, str | None]) -> None:
        super().__init__(settings_cls)
        self._given = given

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{variable_of(field_name)}_FILE"
        path = self._given.get(variable)
        if not path or not _is_secret(field):
            return None, field_name, False
        try:
            return read_short(Path(path)).rstrip("\r\n"), field_name, False
        except (OSError, UnicodeDecodeError) as fault:
            why = fault.strerror if isinstance(fault, OSError) else "it is no text in UTF-8"
            which = f"{path} " if _is_surely_a_path(path) else ""
            raise WrongSetting(f"{variable}: {which}cannot be read: {why}") from None

    def __call__(self) -> dict[str, Any]:
        found = {
            name: self.get_field_value(info, name)[0]
            for name, info in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}


def _variables_of(source: PydanticBaseSettingsSource) -> dict[str, str | None]:
    """Return the variables in `.env`."""
    variables = source.env_vars if isinstance(source, DotEnvSettingsSource) else {}
    return {name.upper(): value for name, value in variables.items()}  # they are in lower case


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment and `.env`; overrides take precedence.

    Raises:
        WrongSetting: a value is invalid, a `KEYFOB_` variable is unknown, or a line of `.env`
            cannot be read.
    """
    try:
        refuse_what_does_not_count(_known_variables())
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except (OSError, UnicodeDecodeError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "it is no text in UTF-8"
        raise WrongSetting(f"{DOTENV}: cannot be read: {why}") from None
    except ValidationError as fault:
        first = fault.errors(include_input=False, include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        raise WrongSetting(f"{variable_of(str(first['loc'][0]))}: {message}") from None


def _known_variables() -> set[str]:
    files = {f"{variable_of(name)}_FILE" for name in secret_fields()}
    return {variable_of(name) for name in Settings.model_fields} | files
