"""Bodies of requests and responses about clients and resources."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StringConstraints,
    model_validator,
)

from keyfob.accounts.models import Name
from keyfob.authority.models import OPENID_SCOPES
from keyfob.authority.names import PermissionName
from keyfob.clients.models import (
    AuthMethod,
    ClientChange,
    ClientKind,
    ClientSecret,
    Grant,
    IdTokenAlgorithm,
    RegisteredClient,
    Registrar,
    Resource,
)
from keyfob.clients.registration import KINDS, MOST_REDIRECT_URIS
from keyfob.clients.uris import ensure_jwks, ensure_jwks_uri, ensure_resource
from keyfob.core.bodies import Body, MomentInUtc, PartialBody, drop_null
from keyfob.core.locales import Locale
from keyfob.core.text import NoControlCharacters

_ABSENT = Field(default=None, json_schema_extra=drop_null)
_EPOCH = datetime.fromtimestamp(0, UTC)

Identifier = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    NoControlCharacters(),
    Field(examples=["https://orders.example.com"]),
]


def _not_about_people(scopes: dict[str, Any]) -> dict[str, Any]:
    """Refuse names of what apps ask about a person (OpenID Connect Core section 5.4)."""
    if any(name in OPENID_SCOPES for name in scopes):
        raise ValueError(f"should have none of these: {', '.join(OPENID_SCOPES)}")
    return scopes


Words = Annotated[str, StringConstraints(min_length=1, max_length=200), NoControlCharacters()]
Scopes = Annotated[
    dict[PermissionName, dict[Locale, Words]],
    Field(max_length=100, description="The scopes, each with a description by language"),
    AfterValidator(_not_about_people),
]
Ttl = Annotated[int, Field(ge=60, le=3600, description="Seconds that an access token lives")]
Jwks = Annotated[dict[str, Any], AfterValidator(ensure_jwks)]
JwksUri = Annotated[str, StringConstraints(max_length=500), AfterValidator(ensure_jwks_uri)]


def _once(values: list[Any]) -> list[Any]:
    if len(set(values)) != len(values):
        raise ValueError("should name each once")
    return values


Grants = Annotated[list[Grant], Field(min_length=1, max_length=10), AfterValidator(_once)]
RedirectUri = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500),
    Field(examples=["https://app.example.com/callback"]),
]
RedirectUris = Annotated[
    list[RedirectUri], Field(max_length=MOST_REDIRECT_URIS), AfterValidator(_once)
]
# Checked by the rules of `clients.registration`, and by whether it may be called.
LogoutUri = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500),
    Field(examples=["https://app.example.com/backchannel-logout"]),
]
RequirePar = Annotated[
    bool, Field(description="Requests have to be pushed (RFC 9126); links are refused")
]
RequireSigned = Annotated[
    bool, Field(description="Requests have to be signed (RFC 9101) by a key of its `jwks`")
]
RotateRefresh = Annotated[
    bool, Field(description="A refresh token is used up; false for clients with a secret alone")
]
ScopeList = Annotated[list[PermissionName], Field(max_length=100), AfterValidator(_once)]
ResourceList = Annotated[list[Identifier], Field(max_length=100), AfterValidator(_once)]


class ClientCreate(PartialBody):
    """A program to register: a service account, or an app by which people sign in.

    Without `grants` and `auth_method`, it gets those that are usual for its kind.
    """

    name: Name
    kind: ClientKind = ClientKind.SERVICE
    grants: Grants | None = _ABSENT
    scope: ScopeList = Field(default_factory=list)
    resources: ResourceList = Field(default_factory=list)
    auth_method: AuthMethod | None = _ABSENT
    jwks: Jwks | None = _ABSENT
    jwks_uri: JwksUri | None = _ABSENT
    access_token_ttl: Ttl = 300
    redirect_uris: RedirectUris = Field(
        default_factory=list, description="The exact places to which an app has its users sent"
    )
    first_party: bool = Field(default=False, description="Nobody is asked for consent")
    require_pkce: bool = True
    id_token_alg: IdTokenAlgorithm = IdTokenAlgorithm.RS256
    post_logout_redirect_uris: RedirectUris = Field(
        default_factory=list, description="The exact places to return to after a sign-out"
    )
    backchannel_logout_uri: LogoutUri | None = Field(
        default=None,
        json_schema_extra=drop_null,
        description="Where the app hears of sign-outs (OpenID Connect Back-Channel Logout)",
    )
    backchannel_logout_session_required: bool = False
    require_par: RequirePar = False
    require_signed_request: RequireSigned = False
    rotate_refresh: RotateRefresh = True
    dpop_bound: bool = Field(
        default=False, description="It gets no token without a DPoP proof (RFC 9449)"
    )

    @model_validator(mode="after")
    def _has_keys_where_it_signs(self) -> "ClientCreate":
        signs = self.auth_method is AuthMethod.PRIVATE_KEY_JWT or self.require_signed_request
        given = sum(keys is not None for keys in (self.jwks, self.jwks_uri))
        if given > 1 or (signs and not given):
            raise ValueError(
                "private_key_jwt and require_signed_request need one of jwks and jwks_uri"
            )
        return self

    def to_client(self) -> RegisteredClient:
        """Return the client, without the id and the times that it gets when it is registered."""
        usual = KINDS[self.kind]
        return RegisteredClient(
            id=UUID(int=0),
            name=self.name,
            kind=self.kind,
            grants=usual.default if self.grants is None else tuple(self.grants),
            scope=tuple(self.scope),
            resources=tuple(self.resources),
            auth_method=self.auth_method or usual.default_method,
            jwks=self.jwks,
            jwks_uri=self.jwks_uri,
            access_token_ttl=self.access_token_ttl,
            generation=0,
            created_at=_EPOCH,
            updated_at=_EPOCH,
            disabled_at=None,
            redirect_uris=tuple(self.redirect_uris),
            first_party=self.first_party,
            require_pkce=self.require_pkce,
            id_token_alg=self.id_token_alg,
            post_logout_redirect_uris=tuple(self.post_logout_redirect_uris),
            backchannel_logout_uri=self.backchannel_logout_uri,
            backchannel_logout_session_required=self.backchannel_logout_session_required,
            require_par=self.require_par,
            require_signed_request=self.require_signed_request,
            rotate_refresh=self.rotate_refresh,
            dpop_bound=self.dpop_bound,
        )


class ClientUpdate(PartialBody):
    """Changes to a client; absent fields stay as they are.

    A new `auth_method` needs the keys that belong to it; those from before are forgotten.
    `backchannel_logout_uri: null` removes it.
    """

    name: Name | None = _ABSENT
    grants: Grants | None = _ABSENT
    scope: ScopeList | None = _ABSENT
    resources: ResourceList | None = _ABSENT
    auth_method: AuthMethod | None = _ABSENT
    jwks: Jwks | None = _ABSENT
    jwks_uri: JwksUri | None = _ABSENT
    access_token_ttl: Ttl | None = _ABSENT
    disabled: bool | None = _ABSENT
    redirect_uris: RedirectUris | None = _ABSENT
    first_party: bool | None = _ABSENT
    require_pkce: bool | None = _ABSENT
    id_token_alg: IdTokenAlgorithm | None = _ABSENT
    post_logout_redirect_uris: RedirectUris | None = _ABSENT
    backchannel_logout_uri: LogoutUri | None = Field(default=None)
    backchannel_logout_session_required: bool | None = _ABSENT
    require_par: bool | None = _ABSENT
    require_signed_request: bool | None = _ABSENT
    rotate_refresh: bool | None = _ABSENT
    dpop_bound: bool | None = _ABSENT

    @model_validator(mode="after")
    def _keeps_method_and_keys_together(self) -> "ClientUpdate":
        signs = self.auth_method is AuthMethod.PRIVATE_KEY_JWT
        given = sum(keys is not None for keys in (self.jwks, self.jwks_uri))
        if given > 1 or (signs and not given):
            raise ValueError("one of jwks and jwks_uri comes with auth_method private_key_jwt")
        return self

    def to_change(self) -> ClientChange:
        """Return the changes."""
        return ClientChange(
            name=self.name,
            grants=_tuple(self.grants),
            scope=_tuple(self.scope),
            resources=_tuple(self.resources),
            auth_method=self.auth_method,
            changes_keys=bool(self.auth_method or self.jwks or self.jwks_uri),
            jwks=self.jwks,
            jwks_uri=self.jwks_uri,
            access_token_ttl=self.access_token_ttl,
            disabled=self.disabled,
            redirect_uris=_tuple(self.redirect_uris),
            first_party=self.first_party,
            require_pkce=self.require_pkce,
            id_token_alg=self.id_token_alg,
            post_logout_redirect_uris=_tuple(self.post_logout_redirect_uris),
            changes_logout_uri="backchannel_logout_uri" in self.model_fields_set,
            backchannel_logout_uri=self.backchannel_logout_uri,
            backchannel_logout_session_required=self.backchannel_logout_session_required,
            require_par=self.require_par,
            require_signed_request=self.require_signed_request,
            rotate_refresh=self.rotate_refresh,
            dpop_bound=self.dpop_bound,
        )


def _tuple(given: list[Any] | None) -> tuple[Any, ...] | None:
    return None if given is None else tuple(given)


class ClientOut(BaseModel):
    """A registered client."""

    id: Annotated[UUID, Field(description="Its `client_id`, unless it has a `document`")]
    name: str
    kind: ClientKind
    grants: list[Grant]
    scope: list[str]
    resources: list[str]
    auth_method: AuthMethod
    jwks: dict[str, Any] | None
    jwks_uri: str | None
    access_token_ttl: int
    redirect_uris: list[str]
    first_party: bool
    require_pkce: bool
    id_token_alg: IdTokenAlgorithm
    post_logout_redirect_uris: list[str]
    backchannel_logout_uri: str | None
    backchannel_logout_session_required: bool
    registered_by: Annotated[
        Registrar, Field(description="`itself` or `document`: nobody here has looked at it")
    ]
    document: Annotated[
        str | None, Field(description="The URL at which it describes itself: its `client_id`")
    ]
    kept_until: Annotated[
        datetime | None, Field(description="Then it is forgotten, if no user lets it have anything")
    ]
    require_par: bool
    require_signed_request: bool
    rotate_refresh: bool
    dpop_bound: bool
    disabled: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, client: RegisteredClient) -> "ClientOut":
        told = client._asdict()
        del told["generation"], told["disabled_at"]
        return cls(**told, disabled=client.disabled_at is not None)


class SecretCreate(PartialBody):
    """A new secret; without an expiry it is valid until it is removed."""

    expires_at: MomentInUtc | None = _ABSENT


class SecretOut(BaseModel):
    """A secret of a client, without the secret itself."""

    id: UUID
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None

    @classmethod
    def of(cls, secret: ClientSecret) -> "SecretOut":
        return cls(
            id=secret.id,
            created_at=secret.created_at,
            expires_at=secret.expires_at,
            last_used_at=secret.last_used_at,
        )


class NewSecretOut(SecretOut):
    """A new secret, with its text."""

    client_secret: Annotated[str, Field(description="Told this once; keep it secret")]

    @classmethod
    def with_text(cls, secret: ClientSecret, text: str) -> "NewSecretOut":
        return cls(**SecretOut.of(secret).model_dump(), client_secret=text)


class ResourceCreate(Body):
    """An API to register, so that tokens may be for it (RFC 8707)."""

    identifier: Annotated[
        Identifier,
        AfterValidator(ensure_resource),
        Field(description="An absolute URI without fragment; it becomes `aud`, and stays"),
    ]
    name: Name
    scopes: Scopes = Field(default_factory=dict)
    access_token_ttl: Ttl | None = None

    def to_resource(self) -> Resource:
        """Return the resource, without the id and the times that it gets when it is registered."""
        return Resource(
            UUID(int=0),
            self.identifier,
            self.name,
            _plain(self.scopes),
            self.access_token_ttl,
            _EPOCH,
            _EPOCH,
        )


class ResourceUpdate(PartialBody):
    """Changes to a resource; absent fields stay as they are. `access_token_ttl: null` clears it."""

    name: Name | None = _ABSENT
    scopes: Scopes | None = _ABSENT
    access_token_ttl: Ttl | None = Field(default=None)

    def changed(self, resource: Resource) -> Resource:
        """Return a resource as these changes make it."""
        changes_ttl = "access_token_ttl" in self.model_fields_set
        return resource._replace(
            name=resource.name if self.name is None else self.name,
            scopes=resource.scopes if self.scopes is None else _plain(self.scopes),
            access_token_ttl=self.access_token_ttl if changes_ttl else resource.access_token_ttl,
        )


class ResourceOut(BaseModel):
    """An API that tokens may be for."""

    id: UUID
    identifier: str
    name: str
    scopes: dict[str, dict[str, str]]
    access_token_ttl: int | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, resource: Resource) -> "ResourceOut":
        return cls(**resource._asdict())


def _plain(scopes: dict[str, dict[Locale, str]]) -> dict[str, dict[str, str]]:
    return {
        scope: {locale.value: words for locale, words in told.items()}
        for scope, told in scopes.items()
    }
