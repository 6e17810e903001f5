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
from keyfob.authority.names import PermissionName
from keyfob.clients.models import (
    AuthMethod,
    ClientChange,
    ClientKind,
    ClientSecret,
    Grant,
    IdTokenAlgorithm,
    Profile,
    RegisteredClient,
    Registrar,
)
from keyfob.clients.registration import KINDS, MOST_REDIRECT_URIS, preset
from keyfob.clients.uris import ensure_jwks, ensure_jwks_uri
from keyfob.core.bodies import MomentInUtc, PartialBody, drop_null
from keyfob.core.text import NoControlCharacters

_ABSENT = Field(default=None, json_schema_extra=drop_null)
_EPOCH = datetime.fromtimestamp(0, UTC)

Identifier = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    NoControlCharacters(),
    Field(examples=["https://orders.example.com"]),
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
TheProfile = Annotated[
    Profile | None,
    Field(description="`fapi2`: all that FAPI 2.0 asks for is set, and cannot be unset"),
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
    profile: TheProfile = None

    @model_validator(mode="after")
    def _has_keys_where_it_signs(self) -> "ClientCreate":
        signs = self._method is AuthMethod.PRIVATE_KEY_JWT or self.require_signed_request
        given = sum(keys is not None for keys in (self.jwks, self.jwks_uri))
        if given > 1 or (signs and not given):
            raise ValueError(
                "private_key_jwt and require_signed_request need one of jwks and jwks_uri"
            )
        return self

    @property
    def _method(self) -> AuthMethod:
        by_profile = AuthMethod.PRIVATE_KEY_JWT if self.profile else None
        return self.auth_method or by_profile or KINDS[self.kind].default_method

    def to_client(self) -> RegisteredClient:
        """Return the client, without the id and the times that it gets when it is registered.

        What its profile asks for is set where it was not given.
        """
        set_by_profile = preset(self.profile, signs_in=bool(self.redirect_uris))
        asked = self._plain()
        return asked._replace(
            **{
                name: value
                for name, value in set_by_profile.items()
                if name not in self.model_fields_set
            }
        )

    def _plain(self) -> RegisteredClient:
        usual = KINDS[self.kind]
        return RegisteredClient(
            id=UUID(int=0),
            name=self.name,
            kind=self.kind,
            grants=usual.default if self.grants is None else tuple(self.grants),
            scope=tuple(self.scope),
            resources=tuple(self.resources),
            auth_method=self._method,
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
            profile=self.profile,
        )


class ClientUpdate(PartialBody):
    """Changes to a client; absent fields stay as they are.

    A new `auth_method` needs the keys that belong to it; those from before are forgotten.
    `backchannel_logout_uri: null` removes it. A new `profile` sets what it asks for; without one
    (null), that may be changed again.
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
    profile: TheProfile = None

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
            changes_profile="profile" in self.model_fields_set,
            profile=self.profile,
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
    profile: TheProfile
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
