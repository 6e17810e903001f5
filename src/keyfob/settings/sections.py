"""The sections of the settings, one per capability. Each field is a variable `KEYFOB_<FIELD>`."""

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from keyfob.settings.urls import check_base_address, check_web_address, read_origin

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MIN_KEY_LENGTH = 32

# Unreserved characters only (RFC 3986 section 2.3): the same in a URL, a header and a page.
_ROOT_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[\w.~-]+)*", re.ASCII)


def _networks(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        networks = [ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip()]
    except ValueError:
        raise ValueError('should be networks like "10.0.0.0/8", with commas between') from None
    if any(network.prefixlen == 0 for network in networks):  # a trusted proxy can name any client
        raise ValueError("should not be everybody: name the networks of your proxies")
    return networks


def _some_hosts(value: str) -> str:
    hosts = [_without_brackets(part.strip()) for part in value.split(",") if part.strip()]
    if not hosts:
        raise ValueError('should name an address, such as "127.0.0.1"')
    return ",".join(hosts)


def _host(value: str) -> str:
    try:
        value.encode("idna")  # as the socket module will encode it
    except UnicodeError:
        raise ValueError("should be an address or a name of this machine") from None
    return _without_brackets(value)


def _without_brackets(host: str) -> str:
    """Return an IPv6 address without the brackets of URLs (RFC 3986 section 3.2.2)."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _root_path(value: str) -> str:
    value = value.rstrip("/")
    if value and not value.startswith("/"):
        raise ValueError('should start with "/"')
    if not _ROOT_PATH.fullmatch(value):
        raise ValueError('should be like "/auth", of letters, digits and the signs . _ ~ -')
    return value


def _long_enough(value: SecretStr | None) -> SecretStr | None:
    keys = value.get_secret_value().split(",") if value else []
    if any(len(key.strip()) < MIN_KEY_LENGTH for key in keys):
        raise ValueError(f"each key should have at least {MIN_KEY_LENGTH} characters")
    return value


def _origins(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return [read_origin(part.strip()) for part in value.split(",") if part.strip()]


WebAddress = Annotated[str | None, AfterValidator(check_web_address)]
BaseAddress = Annotated[str | None, AfterValidator(check_base_address)]
Seconds = Annotated[int, Field(gt=0, le=10 * 365 * 86400)]
_MOST_DAYS = 100 * 365


class ServerSettings(BaseModel):
    """The addresses and limits of the HTTP server."""

    host: Annotated[str, AfterValidator(_some_hosts)] = Field(
        "127.0.0.1",
        description="Addresses to listen on, with commas: 0.0.0.0 (all of IPv4), :: (all of IPv6),"
        " * (both), names, unix:/path",
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 lets the system pick")
    workers: int = Field(1, ge=1, le=64, description="Worker processes")
    root_path: Annotated[str, AfterValidator(_root_path)] = Field(
        "/auth", description="Path prefix of all routes, which are served without it, too; /: none"
    )
    trusted_proxies: Annotated[list[Network], NoDecode, BeforeValidator(_networks)] = Field(
        default_factory=list, description="CIDRs of proxies whose forwarded headers are trusted"
    )
    forwarded_header: Literal["x-forwarded-for", "forwarded", "x-real-ip"] = Field(
        "x-forwarded-for",
        description="The header in which they name the client: x-forwarded-for, forwarded (RFC"
        " 7239) or x-real-ip",
    )
    cors_origins: Annotated[list[str], NoDecode, BeforeValidator(_origins)] = Field(
        default_factory=list,
        description="Origins whose pages may call the API, with commas; never *",
    )
    max_body_bytes: int = Field(65_536, ge=1024, description="Largest request body in bytes")
    request_timeout: Seconds = Field(10, description="Seconds within which a request must arrive")
    max_connections: int = Field(4096, ge=8, description="Open connections per worker")
    shutdown_grace: Seconds = Field(20, description="Seconds that a stop waits for requests")
    drain_delay: int = Field(
        0,
        ge=0,
        le=3600,
        description="Seconds to continue after SIGTERM as not ready, so that load balancers notice",
    )
    docs: bool = Field(True, description="Serve Swagger UI at /docs")
    redoc: bool = Field(True, description="Serve ReDoc at /redoc")
    openapi: bool = Field(True, description="Serve the schema at /openapi.json")
    hsts: bool = Field(True, description="Send Strict-Transport-Security, for this host only")
    hsts_subdomains: bool = Field(
        False, description="Also for all its subdomains (includeSubDomains), which may not be yours"
    )


class SecretSettings(BaseModel):
    """The server's secret keyring."""

    secret_key: Annotated[SecretStr | None, AfterValidator(_long_enough)] = Field(
        None,
        description="Encrypts data, signs refresh tokens; of several, with commas, the first",
    )
    make_secret_key: bool = Field(
        False,
        description="Create the key in the data folder even if KEYFOB_DATABASE_URL is set",
    )


class TokenSettings(BaseModel):
    """Access tokens and the keys that sign them."""

    issuer: BaseAddress = Field(
        None, description="`iss` of the tokens; absent: http://localhost:PORT plus the root path"
    )
    audience: str = Field("keyfob", min_length=1, description="`aud` of the access tokens")
    access_token_ttl: Seconds = Field(300, description="Life of an access token in seconds")
    signing_algorithm: Literal["EdDSA", "ES256", "RS256"] = Field(
        "EdDSA", description="Algorithm of new signing keys: EdDSA, ES256 or RS256"
    )
    key_rotation_days: int = Field(
        90, ge=1, le=_MOST_DAYS, description="Age in days at which a signing key retires"
    )
    key_publish_ahead: Seconds = Field(
        3600, description="Seconds that a new key is in the JWKS before it signs"
    )
    token_cache_size: int = Field(
        10_000, ge=0, description="Verified access tokens remembered per worker; 0: none"
    )
    revocation_streams: int = Field(
        500, ge=1, le=100_000, description="Open streams of the revocation feed per worker"
    )


class SessionSettings(BaseModel):
    """The duration of sessions, and the counting of activity."""

    refresh_grace: int = Field(
        10,
        ge=0,
        le=300,
        description="Seconds in which a used refresh token returns its successor again; 0: never",
    )
    refreshes_together: int = Field(
        256,
        ge=1,
        le=1000,
        description="Most refreshes of one moment in one statement; 1: each in its own",
    )
    session_idle_ttl: Seconds = Field(
        14 * 86400, description="Seconds after which an unused session ends"
    )
    session_max_ttl: Seconds = Field(90 * 86400, description="Seconds after which any session ends")
    max_sessions: int = Field(
        200,
        ge=1,
        le=10_000,
        description="Most sessions of one user; a further sign-in ends the least recently active",
    )
    activity_flush_seconds: float = Field(
        3.0, gt=0, le=60, description="Seconds between writes of the collected activity"
    )
    activity_idle_gap: Seconds = Field(
        300, description="A longer pause between two requests does not count as active time"
    )


class PasswordSettings(BaseModel):
    """Storage and checks of passwords."""

    password_scheme: Literal["bcrypt", "argon2id"] = Field(
        "bcrypt", description="Scheme of new hashes: bcrypt or argon2id"
    )
    bcrypt_cost: int = Field(12, ge=4, le=16, description="log2 of bcrypt's rounds")
    argon2_memory_kib: int = Field(19_456, ge=8192, description="argon2id: memory in KiB")
    argon2_time_cost: int = Field(2, ge=1, le=64, description="argon2id: passes")
    hashing_threads: int = Field(
        0, ge=0, le=64, description="Hashing threads per worker; 0: cores divided by workers"
    )
    hashing_budget: float = Field(
        3.0, gt=0, le=30, description="Seconds a password check may wait before 503"
    )
    breached_passwords_url: WebAddress = Field(
        None, description="k-anonymity range service; the first five hex digits are appended"
    )


class RecordSettings(BaseModel):
    """The retention of logs."""

    login_log_retention_days: int = Field(
        400, ge=31, le=_MOST_DAYS, description="Months of the login log older than this are dropped"
    )
    ended_session_retention_days: int = Field(
        30, ge=1, le=_MOST_DAYS, description="Days that the row of an ended session is kept"
    )


class FirstAdminSettings(BaseModel):
    """The administrator that the first start creates."""

    admin_email: str = Field("admin@example.com", description="Address of the first administrator")
    admin_password: SecretStr | None = Field(
        None, description="Password of the first administrator; absent: generated and printed once"
    )


class ObservabilitySettings(BaseModel):
    """Logs and metrics."""

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Log level")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: console on a terminal, JSON elsewhere"
    )
    metrics: bool = Field(True, description="Serve Prometheus metrics on an address of their own")
    metrics_host: Annotated[str, AfterValidator(_host)] = Field(
        "127.0.0.1", description="Address for metrics"
    )
    metrics_port: int = Field(9464, ge=0, le=65535, description="Port for metrics")
