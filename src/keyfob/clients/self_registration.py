"""Clients that nobody here has registered: what they say of themselves, and what they may have.

RFC 7591 section 2; draft-ietf-oauth-client-id-metadata-document-03 section 4. They ask people for
consent each time, use PKCE, and get no scope of our own API.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from keyfob.accounts.models import Name
from keyfob.authority.models import OPENID_SCOPES, Permission
from keyfob.clients.documents import DocumentHosts
from keyfob.clients.models import (
    AuthMethod,
    ClientKind,
    Grant,
    IdTokenAlgorithm,
    RegisteredClient,
    Registrar,
)
from keyfob.clients.registration import MOST_REDIRECT_URIS, Unfit, ensure_fit
from keyfob.clients.resources import Resources
from keyfob.clients.uris import ensure_jwks, ensure_jwks_uri, is_https, origin_of

_EPOCH = datetime.fromtimestamp(0, UTC)
_GRANTS = (Grant.AUTHORIZATION_CODE, Grant.REFRESH_TOKEN)
_TOKENS_LIVE = 300
_LONGEST = 500
_MOST = 50
_name = TypeAdapter[str](Name)

# Our names of fields, and those of the metadata.
_NAMES = {"auth_method": "token_endpoint_auth_method", "grants": "grant_types"}


@dataclass(frozen=True, kw_only=True)
class SelfRegistered:
    """Limits what clients get that nobody here has registered.

    Args:
        resources: finds the APIs.
        open_to: the APIs that an administrator has opened to such clients, by their identifiers.
        hosts: the hosts of documents that are read.
        own: our own addresses, to which none of them leads back.
    """

    resources: Resources
    open_to: Sequence[str]
    hosts: DocumentHosts
    own: Sequence[str]

    @property
    def audience(self) -> tuple[str, ...]:
        """The APIs that such clients may ask for; never our own."""
        found = [name for name in self.open_to if self.resources.find(name)]
        return tuple(name for name in found if not self.resources.names_own(name))

    @property
    def scope(self) -> tuple[str, ...]:
        """The scopes of those APIs; none that has the name of one of our permissions."""
        found = [self.resources.find(name) for name in self.audience]
        offered = {scope for resource in found if resource for scope in resource.scopes}
        return tuple(sorted(offered - set(Permission)))

    def limit(self, client: RegisteredClient) -> RegisteredClient | None:
        """Return a client with what it may have now, which may be less than when it registered.

        None if documents of its host are not read any more.
        """
        if not client.is_self_registered:
            return client
        if client.document is not None and not self.hosts.takes(client.document):
            return None
        audience, scope = self.audience, self.scope
        return client._replace(
            resources=tuple(name for name in client.resources if name in audience),
            scope=tuple(name for name in client.scope if name in scope),
        )

    def read(self, told: Mapping[str, Any], by: Registrar) -> RegisteredClient:
        """Return the client that metadata describe, without id and times.

        What a document says is meant for many servers: grants, scopes and types of responses that
        we do not have are left out there. Whoever registers at us is told of each.

        Raises:
            Unfit: a field does not fit, by its name in the metadata.
        """
        strict = by is Registrar.ITSELF
        method = _method(told, AuthMethod.BASIC if strict else AuthMethod.NONE)
        uris = self._places(told)
        jwks, jwks_uri = _keys(told, method, may_hold_keys=strict)
        _ensure_code(_texts(told, "response_types", ("code",)), strict=strict)
        client = RegisteredClient(
            id=UUID(int=0),
            name=_named(told, uris),
            kind=_kind(told, method, uris),
            grants=_grants(told, strict=strict),
            scope=self._scope(told, strict=strict),
            resources=self.audience,
            auth_method=method,
            jwks=jwks,
            jwks_uri=jwks_uri,
            access_token_ttl=_TOKENS_LIVE,
            generation=0,
            created_at=_EPOCH,
            updated_at=_EPOCH,
            disabled_at=None,
            redirect_uris=uris,
            id_token_alg=_algorithm(told),
            registered_by=by,
            dpop_bound=_is_bound(told),
        )
        try:
            ensure_fit(client)
        except Unfit as fault:
            raise Unfit(_NAMES.get(fault.field, fault.field), str(fault)) from None
        return client

    def _places(self, told: Mapping[str, Any]) -> tuple[str, ...]:
        uris = _urls(told)
        if any(map(self._is_ours, uris)):
            raise Unfit("redirect_uris", "should not be of this service")
        return uris

    def _is_ours(self, uri: str) -> bool:
        """Tell whether a redirect URI is at our own host, or on this machine at our own port.

        Threat: the page that asks for consent says that a stranger's app leads back to us, and the
        code is sent to whatever is there.
        """
        if not is_https(uri):
            return any(uri.startswith((f"{one}/", f"{one}?")) for one in map(origin_of, self.own))
        hosts = {urlsplit(one).hostname for one in self.own if is_https(one)}
        return (urlsplit(uri).hostname or "").rstrip(".") in hosts

    def _scope(self, told: Mapping[str, Any], *, strict: bool) -> tuple[str, ...]:
        offered = self.scope
        if told.get("scope") is None:
            return offered
        wanted = set(_text(told, "scope").split()) - set(OPENID_SCOPES)
        if strict and wanted - set(offered):
            raise Unfit("scope", "has one that clients that register themselves do not get")
        return tuple(name for name in offered if name in wanted)


def _urls(told: Mapping[str, Any]) -> tuple[str, ...]:
    uris = _texts(told, "redirect_uris", ())
    try:
        for uri in uris:
            urlsplit(uri)
    except ValueError:
        raise Unfit("redirect_uris", "should be URIs") from None
    return uris


def _method(told: Mapping[str, Any], usual: AuthMethod) -> AuthMethod:
    asked = _text(told, "token_endpoint_auth_method", usual)
    if asked not in set(AuthMethod):
        names = ", ".join(AuthMethod)
        raise Unfit("token_endpoint_auth_method", f"should be one of these: {names}")
    method = AuthMethod(asked)
    if usual is AuthMethod.NONE and method.has_secret:
        raise Unfit("token_endpoint_auth_method", "should need no secret: a document can keep none")
    return method


def _keys(
    told: Mapping[str, Any], method: AuthMethod, *, may_hold_keys: bool
) -> tuple[dict[str, Any] | None, str | None]:
    """Return the keys of a client that signs, or their URL; anything else is of no use to us.

    A document names the URL alone: from there they are read again every few minutes.
    """
    if method is not AuthMethod.PRIVATE_KEY_JWT:
        return None, None
    jwks, uri = told.get("jwks"), told.get("jwks_uri")
    if jwks is not None and (uri is not None or not may_hold_keys):
        raise Unfit("jwks", "cannot stand beside jwks_uri, nor in a document")
    try:
        if jwks is not None:
            return ensure_jwks(jwks if isinstance(jwks, dict) else {}), None
        return None, ensure_jwks_uri(_text(told, "jwks_uri"))
    except ValueError as fault:
        raise Unfit("jwks_uri" if jwks is None else "jwks", str(fault)) from None


def _kind(told: Mapping[str, Any], method: AuthMethod, uris: Sequence[str]) -> ClientKind:
    """Return our kind of a client; pages of a native one read no answer of ours."""
    application = _text(told, "application_type", "web")
    if application not in {"web", "native"}:
        raise Unfit("application_type", "should be web or native")
    if method is not AuthMethod.NONE:
        return ClientKind.WEB
    is_web = all(urlsplit(uri).scheme in {"https", "http"} for uri in uris)
    return ClientKind.BROWSER if is_web and application == "web" else ClientKind.NATIVE


def _grants(told: Mapping[str, Any], *, strict: bool) -> tuple[Grant, ...]:
    named = _texts(told, "grant_types", (Grant.AUTHORIZATION_CODE,))
    known = tuple(grant for grant in _GRANTS if grant in named)
    if Grant.AUTHORIZATION_CODE not in known or (strict and set(named) - set(known)):
        raise Unfit("grant_types", "should be authorization_code, with refresh_token if wanted")
    return known


def _ensure_code(types: Sequence[str], *, strict: bool) -> None:
    if "code" not in types or (strict and set(types) != {"code"}):
        raise Unfit("response_types", "should be code")


def _algorithm(told: Mapping[str, Any]) -> IdTokenAlgorithm:
    asked = _text(told, "id_token_signed_response_alg", IdTokenAlgorithm.RS256)
    if asked not in set(IdTokenAlgorithm):
        names = ", ".join(IdTokenAlgorithm)
        raise Unfit("id_token_signed_response_alg", f"should be one of these: {names}")
    return IdTokenAlgorithm(asked)


def _is_bound(told: Mapping[str, Any]) -> bool:
    """Tell whether a client wants no token without the proof of a key (RFC 9449 section 5.2)."""
    asked = told.get("dpop_bound_access_tokens", False)
    if not isinstance(asked, bool):
        raise Unfit("dpop_bound_access_tokens", "should be true or false")
    return asked


def _named(told: Mapping[str, Any], uris: Sequence[str]) -> str:
    """Return the name for people; without one, the host to which the client has them sent."""
    if told.get("client_name") is None:
        return urlsplit(uris[0]).hostname or urlsplit(uris[0]).scheme if uris else "?"
    try:
        return _name.validate_python(told["client_name"])
    except ValidationError:
        detail = "should be a text of 1 to 200 characters, without control characters"
        raise Unfit("client_name", detail) from None


def _text(told: Mapping[str, Any], name: str, usual: str | None = None) -> str:
    """Return a text, or the usual one where there is none."""
    found = told.get(name, usual)
    if not isinstance(found, str) or len(found) > _LONGEST * 4:
        raise Unfit(name, "should be a text")
    return found


def _texts(told: Mapping[str, Any], name: str, usual: tuple[str, ...]) -> tuple[str, ...]:
    found = told.get(name)
    if found is None:
        return usual
    most = MOST_REDIRECT_URIS if name == "redirect_uris" else _MOST
    is_list = isinstance(found, list) and 0 < len(found) <= most
    if not is_list or not all(isinstance(one, str) and len(one) <= _LONGEST for one in found):
        raise Unfit(name, f"should be a list of 1 to {most} texts")
    return tuple(dict.fromkeys(found))
