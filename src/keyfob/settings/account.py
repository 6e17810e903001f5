"""The settings of mail, of the account's life, and of factors."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from keyfob.settings.rates import Limit
from keyfob.settings.sections import BaseAddress, Seconds
from keyfob.settings.urls import split_url

Roles = Literal["user", "moderator", "admin"]


_SMTP = "smtp://user:password@host:587?starttls=1"


def _smtp(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not _is_smtp(split_url(value.get_secret_value(), _SMTP)):
        raise ValueError(f"should be like {_SMTP}")
    return value


def _is_smtp(parts: SplitResult) -> bool:
    try:
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in {"smtp", "smtps"}
        and bool(parts.hostname)
        and port != 0
        and re.fullmatch(r"(?:starttls=[01])?", parts.query) is not None
        and parts.path in {"", "/"}
    )


def _list(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


def _one_line(value: str) -> str:
    if not re.fullmatch(r"[^\x00-\x1f\x7f]*[^\s@<]+@[^\s@>]+>?", value):
        raise ValueError('should be like "Keyfob <no-reply@example.com>"')
    return value


def _app_label(value: str | None) -> str | None:
    # A colon would end it: apps split "issuer:account" there.
    if value is not None and not re.fullmatch(r"[^\x00-\x1f\x7f:]{1,40}", value.strip()):
        raise ValueError('should be a name like "Example", of at most 40 characters, without ":"')
    return value and value.strip()


class MailSettings(BaseModel):
    """The delivery of mails, and the URL of their links."""

    public_url: BaseAddress = Field(
        None, description="URL of links in mails; absent: as KEYFOB_ISSUER"
    )
    smtp_url: Annotated[SecretStr | None, AfterValidator(_smtp)] = Field(
        None,
        description="smtp://user:pass@host:587?starttls=1 or smtps://; absent: mails are printed"
        " and kept in the data folder",
    )
    smtp_token_file: Path | None = Field(
        None,
        description="File with an OAuth access token for SMTP (XOAUTH2), read anew for each mail",
    )
    smtp_timeout: float = Field(
        20.0,
        gt=0,
        le=60,
        description="Seconds for a mail server to accept the sender, and again the recipient",
    )
    mail_from: Annotated[str, AfterValidator(_one_line)] = Field(
        "Keyfob <keyfob@localhost>", description="Sender of the mails"
    )
    mail_templates: Path | None = Field(
        None, description="Folder whose templates replace ours, file by file"
    )
    limit_mail: Limit = Field(
        "5/hour;20/day", description="Mails that anyone can ask for, per mailbox and sort"
    )
    limit_notices: Limit = Field(
        "10/hour;40/day", description="Notices of changes, per proven address and sort"
    )
    limit_notices_unproven: Limit = Field(
        "3/hour;6/day", description="The same, per address that is not proven"
    )
    geoip_database: Path | None = Field(
        None, description="MaxMind file (.mmdb) that names places in mails; absent: none named"
    )


class AccountSettings(BaseModel):
    """Verification, recovery, and erasure of accounts."""

    verify_email: Literal["off", "optional", "required"] = Field(
        "off", description="Verification of new addresses: off, optional or required"
    )
    local_email: bool = Field(
        False,
        description="Allow addresses that no mail from outside reaches: .test, .local, localhost;"
        " for development",
    )
    link_ttl: Seconds = Field(1800, description="Seconds that a link sent by mail is valid")
    invitation_ttl: Seconds = Field(
        604_800, description="Seconds that an administrator's invitation is valid"
    )
    erasure_grace_days: int = Field(
        14, ge=0, le=365, description="Days between a request for erasure and the erasure"
    )


class FactorSettings(BaseModel):
    """Second factors and passkeys."""

    require_mfa_for: Annotated[list[Roles], NoDecode, BeforeValidator(_list)] = Field(
        default_factory=list, description="Built-in roles that require a factor, with commas"
    )
    api_key_max_days: int = Field(
        365, ge=1, le=3650, description="Days that an API key of a user is valid at most"
    )
    recent_sign_in: Seconds = Field(
        300,
        description="Greatest age in seconds of a sign-in for changing factors, password, e-mail",
    )
    totp_issuer: Annotated[str | None, AfterValidator(_app_label)] = Field(
        None,
        description="Name that authenticator apps show above a code; absent: the host of"
        " KEYFOB_PUBLIC_URL",
    )
    webauthn_rp_id: str | None = Field(
        None, description="Domain that passkeys belong to; absent: the host of KEYFOB_PUBLIC_URL"
    )
    webauthn_origins: Annotated[list[str], NoDecode, BeforeValidator(_list)] = Field(
        default_factory=list,
        description="Origins that may use passkeys, with commas; absent: that of KEYFOB_PUBLIC_URL",
    )
    webauthn_related_origins: Annotated[list[str], NoDecode, BeforeValidator(_list)] = Field(
        default_factory=list,
        description="Origins of other domains that may use them too; /.well-known/webauthn tells"
        " browsers",
    )
