"""Metadata for clients: of the authorization server, and of our own API.

All addresses come from `KEYFOB_ISSUER`, none from a request. Since the issuer has a path, each
document is to be found in two places, with the same bytes: below the issuer, and at the root of the
host with that path appended (RFC 8414 section 3.1, RFC 9728 section 3.1).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic_core import to_json

from keyfob.clients.keys import ALGORITHMS
from keyfob.clients.models import AuthMethod, Grant, Resource


@dataclass(frozen=True)
class Metadata:
    """The two documents, and the path that may follow their places at the root of the host."""

    server: bytes
    resource: bytes
    path: str


def describe(own: Resource, methods: Iterable[AuthMethod], grants: Iterable[Grant]) -> Metadata:
    """Return the documents of the server that issues tokens for `own`, among others."""
    return Metadata(
        server=to_json(_describe_server(own, list(methods), list(grants))),
        resource=to_json(_describe_resource(own)),
        path=urlsplit(own.identifier).path.strip("/"),
    )


def _describe_server(own: Resource, methods: list[AuthMethod], grants: list[Grant]) -> object:
    base = own.identifier.rstrip("/")
    proving = [method for method in methods if method is not AuthMethod.NONE]
    return {
        "issuer": own.identifier,
        "token_endpoint": f"{base}/oauth2/token",
        "introspection_endpoint": f"{base}/oauth2/introspect",
        "revocation_endpoint": f"{base}/oauth2/revoke",
        "jwks_uri": f"{base}/.well-known/jwks.json",
        "response_types_supported": [],  # required, and there is no authorization endpoint yet
        "grant_types_supported": grants,
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": proving,
        "revocation_endpoint_auth_methods_supported": methods,
        # Required with private_key_jwt.
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "revocation_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "scopes_supported": sorted(own.scopes),
        "protected_resources": [own.identifier],
        # Ours: where other services learn what was revoked.
        "keyfob_revocations_endpoint": f"{base}/revocations",
        "keyfob_revocations_stream_endpoint": f"{base}/revocations/stream",
    }


def _describe_resource(own: Resource) -> object:
    return {
        "resource": own.identifier,
        "authorization_servers": [own.identifier],
        "scopes_supported": sorted(own.scopes),
        "bearer_methods_supported": ["header"],
        "resource_name": own.name,
    }
