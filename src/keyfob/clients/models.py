"""Clients, their secrets and resources, as read from the database."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID


class ClientKind(StrEnum):
    """The kind of program that a client is (OAuth 2.1 section 2.1)."""

    SERVICE = "service"
    WEB = "web"
    BROWSER = "browser"
    NATIVE = "native"


class Grant(StrEnum):
    """The grants that a client may use, as in `grant_type`."""

    CLIENT_CREDENTIALS = "client_credentials"
    AUTHORIZATION_CODE = "authorization_code"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - a grant, no secret
    DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
    TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - RFC 8693


class AuthMethod(StrEnum):
    """The methods by which clients authenticate at the token endpoint (RFC 7591 section 2)."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    PRIVATE_KEY_JWT = "private_key_jwt"
    NONE = "none"

    @property
    def has_secret(self) -> bool:
        """Tell whether the method uses a secret that we made."""
        return self in {AuthMethod.BASIC, AuthMethod.POST}


class IdTokenAlgorithm(StrEnum):
    """The algorithms by which ID tokens can be signed (OpenID Connect Core section 2)."""

    RS256 = "RS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"


class Registrar(StrEnum):
    """The one who registered a client: one of ours, or nobody whom we know."""

    ADMINISTRATOR = "administrator"
    ITSELF = "itself"  # RFC 7591
    DOCUMENT = "document"  # draft-ietf-oauth-client-id-metadata-document


class Profile(StrEnum):
    """Sets of rules, each of which a client is registered for as a whole."""

    FAPI2 = "fapi2"  # FAPI 2.0 Security Profile


class ClientSecret(NamedTuple):
    """A secret of a client, as a digest. It ends at `expires_at`, or never."""

    id: UUID
    digest: bytes
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class RegisteredClient(NamedTuple):
    """A registered client.

    `scope` and `resources` are the most that it may ask for. Tokens that it was issued in an
    earlier generation are revoked. An app, by which people sign in, has `redirect_uris`; of a
    `first_party` one, nobody is asked for consent. After a sign-out, it may have its users sent to
    `post_logout_redirect_uris`, and it hears of one at `backchannel_logout_uri`. A `dpop_bound`
    client gets no token without the proof of a key. A `profile` holds several fields where its
    rules want them (`registration.preset`).

    One that nobody here has registered is kept until `kept_until`, and longer if a user lets it
    have something. `document` is the URL at which it describes itself.
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
    redirect_uris: tuple[str, ...] = ()
    first_party: bool = False
    require_pkce: bool = True
    id_token_alg: IdTokenAlgorithm = IdTokenAlgorithm.RS256
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    registered_by: Registrar = Registrar.ADMINISTRATOR
    document: str | None = None
    kept_until: datetime | None = None
    require_par: bool = False
    require_signed_request: bool = False
    rotate_refresh: bool = True
    dpop_bound: bool = False
    profile: Profile | None = None

    @property
    def client_id(self) -> str:
        """The name by which it knows itself: the URL of its document, or its id."""
        return self.document or str(self.id)

    @property
    def is_self_registered(self) -> bool:
        """Tell whether nobody here has looked at it: it says itself what it is."""
        return self.registered_by is not Registrar.ADMINISTRATOR

    @property
    def signs_in_on_devices(self) -> bool:
        """Tell whether people sign in by it on devices without a browser."""
        return Grant.DEVICE_CODE in self.grants

    @property
    def is_public(self) -> bool:
        """Tell whether anybody can say to be this client, since it has no secret and no key."""
        return self.auth_method is AuthMethod.NONE


class Holders(NamedTuple):
    """The clients that have a resource: their number, and the first of them.

    `own` counts those that are registered by one of ours, `by_scope` those that have each scope.
    """

    total: int
    own: int
    by_scope: Mapping[str, int]
    first: tuple[RegisteredClient, ...]


class KnownClient(NamedTuple):
    """A client that is not disabled, with its valid secrets."""

    client: RegisteredClient
    secrets: tuple[ClientSecret, ...]


class AuthenticatedClient(NamedTuple):
    """A client that has authenticated, and the end of the secret that it showed; None for good.

    `jkt` is the key that it has proven to hold (RFC 9449): what it gets is bound to that.
    """

    client: RegisteredClient
    ends_at: datetime | None
    jkt: str | None = None


class ClientChange(NamedTuple):
    """Changes to a client; None leaves a field as it is.

    `jwks` and `jwks_uri` belong together: with `changes_keys` both are written, and with
    `changes_logout_uri` the `backchannel_logout_uri`, which None removes. With `changes_profile`,
    the `profile` is, and what it asks for is set where it is not given.
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
    redirect_uris: tuple[str, ...] | None = None
    first_party: bool | None = None
    require_pkce: bool | None = None
    id_token_alg: IdTokenAlgorithm | None = None
    post_logout_redirect_uris: tuple[str, ...] | None = None
    changes_logout_uri: bool = False
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool | None = None
    require_par: bool | None = None
    require_signed_request: bool | None = None
    rotate_refresh: bool | None = None
    dpop_bound: bool | None = None
    changes_profile: bool = False
    profile: Profile | None = None


class Resource(NamedTuple):
    """An API that tokens may be for (RFC 8707); `identifier` is their audience.

    `scopes` are the permitted actions there, each with a description by language.
    """

    id: UUID
    identifier: str
    name: str
    scopes: dict[str, dict[str, str]]
    access_token_ttl: int | None
    created_at: datetime
    updated_at: datetime
