"""Settings of request rates and throttles, in the notation of the `limits` library."""

import re
from typing import Annotated, Literal
from urllib.parse import parse_qs

from pydantic import AfterValidator, BaseModel, Field, SecretStr

import limits
from keyfob.settings.urls import split_url

_STORE = "redis://:password@host:6379/0"
# The parameters that a URL may have. The library supports more, but some cannot be written in a
# URL, and some fail at each request.
_STORE_PARAMETERS = (
    *("client_name", "db", "health_check_interval", "password", "protocol", "socket_keepalive"),
    *("ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname"),
    *("ssl_keyfile", "ssl_password", "username"),
)


# Sixteen times as many, for the networks around one, still fit into the column of the counts.
_MOST = 100_000_000


def _limit(notation: str) -> str:
    try:
        items = limits.parse_many(notation)
    except ValueError:
        items = []
    if not items or not all(0 < item.get_expiry() <= 366 * 86400 for item in items):
        raise ValueError('should be like "5/minute" or "5/minute;100/day"')
    if not all(0 < item.amount <= _MOST for item in items):
        raise ValueError(f"should allow from 1 to {_MOST:,}; KEYFOB_LIMITS=off has no limits")
    return notation


def _limit_store(value: SecretStr | None) -> SecretStr | None:
    if value is None:
        return None
    parts = split_url(value.get_secret_value(), _STORE)
    if parts.scheme != "unix" and not re.fullmatch(r"(?:/\d{0,5})?", parts.path):
        raise ValueError(f"should be like {_STORE}")
    if any(name not in _STORE_PARAMETERS for name in parse_qs(parts.query, keep_blank_values=True)):
        raise ValueError(f"should have no parameters but {', '.join(_STORE_PARAMETERS)}")
    return value


Limit = Annotated[str, AfterValidator(_limit)]


class LimitSettings(BaseModel):
    """Request rates and attempt throttles, in the notation of the `limits` library."""

    limits: Literal["on", "off"] = Field("on", description="off: for load tests only")
    limit_store: Annotated[SecretStr | None, AfterValidator(_limit_store)] = Field(
        None, description="redis:// or valkey:// URL; absent: PostgreSQL"
    )
    limit_register: Limit = Field(
        "20/minute;200/hour", description="Sign-ups, per client address, with any token"
    )
    limit_login: Limit = Field("60/minute;1200/hour", description="Sign-ins, per client address")
    limit_passkey: Limit = Field(
        "60/minute;1200/hour", description="Sign-ins by passkey, per client address"
    )
    limit_login_pair: Limit = Field(
        "5/minute;20/hour;60/day", description="Failures per client address and account"
    )
    limit_login_account: Limit = Field(
        "10/minute;40/hour;100/day",
        description="Failures per account; applies to addresses that it never signed in from",
    )
    limit_factor: Limit = Field(
        "10/minute;30/hour;100/day", description="Wrong one-time codes per account"
    )
    limit_verify_email: Limit = Field(
        "10/minute;60/hour", description="Verifications of an address, per client address"
    )
    limit_recover: Limit = Field("10/minute;60/hour", description="Recoveries, per client address")
    limit_refresh: Limit = Field("30/minute", description="Per session and worker, in memory")
    limit_client: Limit = Field(
        "60000/minute", description="Calls below /oauth2 per client and worker, in memory"
    )
    limit_client_failures: Limit = Field(
        "1200/minute",
        description="Clients that fail to authenticate, per client address and worker, in memory",
    )
    limit_revoke: Limit = Field(
        "600/minute", description="Revocations by a client, per client and worker, in memory"
    )
    limit_proof: Limit = Field(
        "1200/minute",
        description="DPoP proofs that come with a token, per key and worker, in memory",
    )
    limit_logout: Limit = Field("120/minute", description="Per caller: signing out")
    limit_me: Limit = Field(
        "300/minute",
        description="Per caller: /me/..., and changes of the profile; per client address: API keys"
        " that are not valid",
    )
    limit_me_password: Limit = Field(
        "20/minute;60/hour",
        description="Per caller: changes of one's password, and re-authentication",
    )
    limit_me_email: Limit = Field(
        "5/minute;10/hour;20/day", description="Per caller: changes of one's e-mail"
    )
    limit_me_factors: Limit = Field(
        "10/minute;40/hour",
        description="Per caller: changes of factors, and requests for erasure or its cancellation",
    )
    limit_me_export: Limit = Field("3/minute;10/hour", description="Per caller: /me/export")
    limit_me_address: Limit = Field(
        "60/minute;600/hour",
        description="Per client address: all changes by signed-in users to their accounts",
    )
    limit_admin: Limit = Field("1200/minute", description="Per caller: /admin/...")
    limit_admin_bulk: Limit = Field(
        "20/minute;200/hour", description="Per caller: changes of many users, and exports of lists"
    )
    limit_revocations: Limit = Field(
        "6000/minute", description="Per caller: polls and streams of the revocation feed"
    )
    limit_register_client: Limit = Field(
        "10/minute;60/hour;200/day",
        description="Programs that register themselves, or whose document is new here, per client"
        " address",
    )
    limit_authorize: Limit = Field(
        "60/minute", description="Per user, or client address: sign-ins that apps ask for"
    )
    limit_authorize_address: Limit = Field(
        "600/minute;12000/hour",
        description="Per client address: all sign-ins of signed-in users that apps ask for",
    )
    limit_device: Limit = Field(
        "20/minute;120/hour",
        description="Per user: codes of devices that they type; "
        "per client address: codes that public apps ask for",
    )
    limit_push: Limit = Field(
        "6000/minute",
        description="Requests that a client with a secret pushes, per client and worker, in memory",
    )
