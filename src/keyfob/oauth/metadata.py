"""Metadata for clients: of the authorization server, and of our own API.

All addresses come from `KEYFOB_ISSUER`, none from a request. Since the issuer has a path, each
document is to be found in several places, with the same bytes: below the issuer (where OpenID
Connect Discovery section 4 looks), and at the root of the host with that path appended (RFC 8414
section 3.1, RFC 9728 section 3.1). That of the server is one for OAuth and OpenID Connect.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from pydantic_core import to_json

from keyfob.authority.models import OPENID_SCOPES, PROOF_ALGORITHMS, STRONG, WEAK
from keyfob.clients.keys import ALGORITHMS
from keyfob.clients.models import AuthMethod, Grant, Resource
from keyfob.core.locales import Locale
from keyfob.oauth.asking import PROMPTS
from keyfob.oauth.claims import CLAIMS_OF_PERSON
from keyfob.tokens.id_tokens import ID_TOKEN_ALGORITHMS

_OF_APPS = frozenset({Grant.AUTHORIZATION_CODE, Grant.REFRESH_TOKEN, Grant.DEVICE_CODE})
_CLAIMS_OF_TOKEN = ("iss", "sub", "aud", "iat", "exp", "auth_time", "acr", "amr", "sid", "nonce")


class Takes(NamedTuple):
    """The clients that it takes although nobody here has registered them.

    `pushed_alone`: no request that a link brings, whosever it is.
    """

    registrations: bool
    documents: bool
    pushed_alone: bool


@dataclass(frozen=True)
class Metadata:
    """The two documents, and the path that may follow their places at the root of the host."""

    server: bytes
    resource: bytes
    path: str


def describe(
    own: Resource,
    methods: Collection[AuthMethod],
    grants: Collection[Grant],
    *,
    signs_in: bool,
    takes: Takes,
) -> Metadata:
    """Return the documents of the server that issues tokens for `own`, among others.

    Where nobody signs in (`KEYFOB_PAGES=off`), it is no provider for apps.
    """
    server = _describe_server(own, list(methods), list(grants))
    if signs_in:
        server |= _describe_provider(own) | _describe_ways_in(own, takes)
    else:
        server["grant_types_supported"] = [one for one in grants if one not in _OF_APPS]
    return Metadata(
        server=to_json(server),
        resource=to_json(_describe_resource(own)),
        path=urlsplit(own.identifier).path.strip("/"),
    )


def _describe_server(
    own: Resource, methods: list[AuthMethod], grants: list[Grant]
) -> dict[str, object]:
    base = own.identifier.rstrip("/")
    proving = [method for method in methods if method is not AuthMethod.NONE]
    return {
        "issuer": own.identifier,
        "token_endpoint": f"{base}/oauth2/token",
        "introspection_endpoint": f"{base}/oauth2/introspect",
        "revocation_endpoint": f"{base}/oauth2/revoke",
        "jwks_uri": f"{base}/.well-known/jwks.json",
        "response_types_supported": [],  # required, even of a server without such an endpoint
        "grant_types_supported": grants,
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": proving,
        "revocation_endpoint_auth_methods_supported": methods,
        # Required with private_key_jwt.
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "revocation_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "dpop_signing_alg_values_supported": PROOF_ALGORITHMS,
        "scopes_supported": sorted(own.scopes),
        "protected_resources": [own.identifier],
        # Ours: where other services learn what was revoked.
        "keyfob_revocations_endpoint": f"{base}/revocations",
        "keyfob_revocations_stream_endpoint": f"{base}/revocations/stream",
    }


def _describe_provider(own: Resource) -> dict[str, object]:
    """Return what apps have to know (OpenID Connect Discovery section 3, RFC 8414, RFC 9207)."""
    base = own.identifier.rstrip("/")
    return {
        "authorization_endpoint": f"{base}/oauth2/authorize",
        "device_authorization_endpoint": f"{base}/oauth2/device",
        "pushed_authorization_request_endpoint": f"{base}/oauth2/par",
        "userinfo_endpoint": f"{base}/oauth2/userinfo",
        "end_session_endpoint": f"{base}/oauth2/logout",
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": PROMPTS,
        "scopes_supported": [*OPENID_SCOPES, *sorted(own.scopes)],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ID_TOKEN_ALGORITHMS,
        "acr_values_supported": [WEAK, STRONG],
        "claims_supported": [*_CLAIMS_OF_TOKEN, *CLAIMS_OF_PERSON],
        "ui_locales_supported": list(Locale),
        "claims_parameter_supported": True,
        "request_parameter_supported": True,
        "request_object_signing_alg_values_supported": ALGORITHMS,
        "request_uri_parameter_supported": False,  # if it is left out, it is supported
    }


def _describe_ways_in(own: Resource, takes: Takes) -> dict[str, object]:
    base = own.identifier.rstrip("/")
    endpoint = {"registration_endpoint": f"{base}/oauth2/register"} if takes.registrations else {}
    documents = {"client_id_metadata_document_supported": True} if takes.documents else {}
    return {
        "require_pushed_authorization_requests": takes.pushed_alone,
        **endpoint,
        **documents,
    }


def _describe_resource(own: Resource) -> object:
    return {
        "resource": own.identifier,
        "authorization_servers": [own.identifier],
        "scopes_supported": sorted(own.scopes),
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": PROOF_ALGORITHMS,
        "resource_name": own.name,
    }
