"""Rules of registration by kind of client (OAuth 2.1 sections 2.1 and 2.3, RFC 8252)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from keyfob.authority.models import Permission
from keyfob.clients.models import (
    AuthMethod,
    ClientKind,
    Grant,
    IdTokenAlgorithm,
    Profile,
    RegisteredClient,
)
from keyfob.clients.uris import (
    ensure_logout_uri,
    ensure_redirect_uri,
    ensure_uri_after_logout,
    is_https,
)

_PROVING = frozenset({AuthMethod.BASIC, AuthMethod.POST, AuthMethod.PRIVATE_KEY_JWT})
_OF_PROGRAMS = frozenset({Grant.CLIENT_CREDENTIALS, Grant.TOKEN_EXCHANGE})
_OF_APPS = frozenset({Grant.AUTHORIZATION_CODE, Grant.REFRESH_TOKEN})
# People sign in by one of these.
_SIGNING_IN = frozenset({Grant.AUTHORIZATION_CODE, Grant.DEVICE_CODE})
# FAPI 2.0 Security Profile section 5.4.1 leaves out RS256; the key of a client may be an RSA one.
FAPI2_ALGORITHMS = frozenset({"EdDSA", "Ed25519", "ES256", "PS256"})
_OF_FAPI2 = _OF_APPS | _OF_PROGRAMS
MOST_REDIRECT_URIS = 20


class Kind(NamedTuple):
    """The choices of a kind of client. `default` are the grants of one that names none."""

    methods: frozenset[AuthMethod]
    grants: frozenset[Grant]
    default: tuple[Grant, ...]
    is_app: bool

    @property
    def default_method(self) -> AuthMethod:
        """The method of a client that names none."""
        return AuthMethod.BASIC if AuthMethod.BASIC in self.methods else AuthMethod.NONE


KINDS: Mapping[ClientKind, Kind] = {
    ClientKind.SERVICE: Kind(_PROVING, _OF_PROGRAMS, (Grant.CLIENT_CREDENTIALS,), is_app=False),
    ClientKind.WEB: Kind(
        _PROVING,
        _OF_PROGRAMS | _OF_APPS | _SIGNING_IN,
        (Grant.AUTHORIZATION_CODE, Grant.REFRESH_TOKEN),
        is_app=True,
    ),
    # Whoever has the app has all that is in it, so it has no secret.
    ClientKind.BROWSER: Kind(
        frozenset({AuthMethod.NONE}),
        _OF_APPS,
        (Grant.AUTHORIZATION_CODE, Grant.REFRESH_TOKEN),
        is_app=True,
    ),
    ClientKind.NATIVE: Kind(
        frozenset({AuthMethod.NONE}),
        _OF_APPS | _SIGNING_IN,
        (Grant.AUTHORIZATION_CODE, Grant.REFRESH_TOKEN),
        is_app=True,
    ),
}


class Unfit(ValueError):
    """A field of a registration does not fit; `field` is its name."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


def ensure_fit(client: RegisteredClient) -> None:
    """Check that a client's registration fits its kind.

    Raises:
        Unfit: a field does not.
    """
    kind = KINDS[client.kind]
    if client.auth_method not in kind.methods:
        names = ", ".join(sorted(kind.methods))
        raise Unfit("auth_method", f"should be one of these for a {client.kind} client: {names}")
    if not set(client.grants) <= kind.grants:
        names = ", ".join(sorted(kind.grants))
        raise Unfit("grants", f"should be of these for a {client.kind} client: {names}")
    if Grant.REFRESH_TOKEN in client.grants and not _SIGNING_IN & set(client.grants):
        raise Unfit("grants", "refresh_token comes with authorization_code or device_code")
    if Permission.ACCOUNT_READ in client.scope and not _SIGNING_IN & set(client.grants):
        raise Unfit("scope", "account:read is for apps by which people sign in")
    _ensure_uris(client, kind)
    _ensure_requests(client)
    if client.profile is not None:
        _ensure_fapi2(client)
    if client.is_public:
        _ensure_public(client)
    if client.is_self_registered:
        _ensure_modest(client)


def _ensure_requests(client: RegisteredClient) -> None:
    if client.require_par and not client.redirect_uris:
        raise Unfit("require_par", "is for apps by which people sign in")
    has_keys = client.jwks is not None or client.jwks_uri is not None
    if client.require_signed_request and not (client.redirect_uris and has_keys):
        raise Unfit("require_signed_request", "is for apps with keys (jwks or jwks_uri)")


def preset(profile: Profile | None, *, signs_in: bool) -> dict[str, Any]:
    """Return the fields that a profile sets, by name; `signs_in`: people sign in by the client."""
    if profile is None:
        return {}
    of_app = {
        "require_par": True,
        "require_pkce": True,
        "id_token_alg": IdTokenAlgorithm.ES256,
        "rotate_refresh": False,
    }
    return {
        "auth_method": AuthMethod.PRIVATE_KEY_JWT,
        "dpop_bound": True,
        **(of_app if signs_in else {}),
    }


def _ensure_fapi2(client: RegisteredClient) -> None:
    """Check that a client has all that FAPI 2.0 asks for (section 5.3.2).

    ID tokens may also be signed with EdDSA.
    """
    wanted = preset(client.profile, signs_in=Grant.AUTHORIZATION_CODE in client.grants)
    if client.id_token_alg is not IdTokenAlgorithm.RS256:
        wanted.pop("id_token_alg", None)
    for name, value in wanted.items():
        if getattr(client, name) != value:
            told = str(value).lower() if isinstance(value, bool) else value
            raise Unfit(name, f"should be {told} for the profile {client.profile}")
    if client.jwks is None and client.jwks_uri is None:
        raise Unfit("jwks", f"or jwks_uri is needed for the profile {client.profile}")
    if not set(client.grants) <= _OF_FAPI2:
        names = ", ".join(sorted(_OF_FAPI2))
        raise Unfit("grants", f"should be of these for the profile {client.profile}: {names}")
    if not all(map(is_https, client.redirect_uris)):
        raise Unfit("redirect_uris", f"should all be https for the profile {client.profile}")


def _ensure_public(client: RegisteredClient) -> None:
    if client.jwks is not None or client.jwks_uri is not None:
        raise Unfit("jwks", "is for clients that keep a secret or a key")
    if not client.rotate_refresh:
        # RFC 9700 section 4.14.2: nothing else would tell of a stolen one.
        raise Unfit("rotate_refresh", "should be true for a client without a secret")
    if not client.require_pkce:
        raise Unfit("require_pkce", "should be true for a client without a secret")


def _ensure_modest(client: RegisteredClient) -> None:
    """Check that a client that nobody here has registered has no more than such a one may."""
    if not set(client.grants) <= _OF_APPS:
        names = ", ".join(sorted(_OF_APPS))
        raise Unfit("grants", f"should be of these for a client that registered itself: {names}")
    if client.first_party:
        raise Unfit("first_party", "is for clients that an administrator registered")
    if not client.require_pkce:
        raise Unfit("require_pkce", "should be true for a client that registered itself")


def _ensure_uris(client: RegisteredClient, kind: Kind) -> None:
    signs_in = Grant.AUTHORIZATION_CODE in client.grants
    if signs_in != bool(client.redirect_uris):
        raise Unfit(
            "redirect_uris",
            "should name at least one place" if signs_in else "come with authorization_code",
        )
    if client.post_logout_redirect_uris and not signs_in:
        raise Unfit("post_logout_redirect_uris", "come with authorization_code")
    for field, ensure in (
        ("redirect_uris", ensure_redirect_uri),
        ("post_logout_redirect_uris", ensure_uri_after_logout),
    ):
        for uri in getattr(client, field):
            try:
                ensure(uri, client.kind)
            except ValueError as fault:
                raise Unfit(field, str(fault)) from None
    _ensure_logout_uri(client, signs_in=signs_in)
    if client.first_party and not (kind.is_app and all(map(is_https, client.redirect_uris))):
        raise Unfit("first_party", "is for apps whose redirect URIs are all https")


def _ensure_logout_uri(client: RegisteredClient, *, signs_in: bool) -> None:
    uri = client.backchannel_logout_uri
    if client.backchannel_logout_session_required and uri is None:
        raise Unfit("backchannel_logout_session_required", "comes with backchannel_logout_uri")
    if uri is None:
        return
    if client.kind is not ClientKind.WEB or not signs_in:
        raise Unfit("backchannel_logout_uri", "is for apps with a server (web)")
    try:
        ensure_logout_uri(uri)
    except ValueError as fault:
        raise Unfit("backchannel_logout_uri", str(fault)) from None
