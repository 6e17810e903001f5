"""Clients, their secrets and resources, as rows become them."""

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID


class ClientKind(StrEnum):
    """What sort of program a client is (OAuth 2.1 section 2.1)."""

    SERVICE = "service"
    WEB = "web"
    BROWSER = "browser"
    NATIVE = "native"


class Grant(StrEnum):
    """What a client may ask tokens for, as `grant_type` names it."""

    CLIENT_CREDENTIALS = "client_credentials"
    TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - RFC 8693


class AuthMethod(StrEnum):
    """How a client proves to be itself at the token endpoint (RFC 7591 section 2)."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    PRIVATE_KEY_JWT = "private_key_jwt"

    @property
    def has_secret(self) -> bool:
        """Tell whether it is by a secret that we made."""
        return self is not AuthMethod.PRIVATE_KEY_JWT


class ClientSecret(NamedTuple):
    """A secret of a client: its digest alone. It ends then, or never."""

    id: UUID
    digest: bytes
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class RegisteredClient(NamedTuple):
    """A client as it is registered.

    `scope` and `resources` are the most that it may ask for. Tokens that it was given in a
    generation before this one are revoked.
    """

    id: UUID
    name: str
    kind: ClientKind
    grants: tuple[Grant, ...]
    scope: tuple[str, ...]
    resources: tuple[str, ...]
    auth_method: AuthMethod
    jwks: dict[str, Any] | None
    jwks_uri: str | None
    access_token_ttl: int
    generation: int
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None


class KnownClient(NamedTuple):
    """A client that is not disabled, with the secrets that it has."""

    client: RegisteredClient
    secrets: tuple[ClientSecret, ...]


class ClientChange(NamedTuple):
    """What of a client is to be another; None stays as it is.

    `jwks` and `jwks_uri` stand together: with `changes_keys` both are written.
    """

    name: str | None = None
    grants: tuple[Grant, ...] | None = None
    scope: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    auth_method: AuthMethod | None = None
    changes_keys: bool = False
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    access_token_ttl: int | None = None
    disabled: bool | None = None


class Resource(NamedTuple):
    """An API that tokens may be meant for (RFC 8707): `identifier` is their audience.

    `scopes` are what may be done there, each with words for it by language.
    """

    id: UUID
    identifier: str
    name: str
    scopes: dict[str, dict[str, str]]
    access_token_ttl: int | None
    created_at: datetime
    updated_at: datetime
