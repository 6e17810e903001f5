"""Services that get, introspect and revoke tokens with Authlib and with requests-oauth2client."""

import os
from typing import Any

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from jwskate import Jwk
from requests_oauth2client import (
    ClientSecretBasic,
    ClientSecretPost,
    InvalidClient,
    InvalidTarget,
    OAuth2Client,
    PrivateKeyJwt,
)

URL, PASSWORD = (os.environ[f"KEYFOB_{name}"] for name in ("URL", "ADMIN_PASSWORD"))
ORDERS = "https://orders.example.com"


def admin(path: str, **body: Any) -> Any:
    answer = requests.post(f"{URL}/admin/{path}", json=body, headers=signed_in, timeout=20)
    assert answer.status_code == 201, answer.text
    return answer.json()


def register(**more: Any) -> str:
    """Register a client that may read orders, and return its id."""
    fields = {"name": "Reports", "resources": [ORDERS], "scope": ["orders:read"], **more}
    client_id: str = admin("clients", **fields)["id"]
    return client_id


def secret_of(client_id: str) -> str:
    secret: str = admin(f"clients/{client_id}/secrets")["client_secret"]
    return secret


login = {"email": "admin@example.com", "password": PASSWORD}
tokens = requests.post(f"{URL}/login", json=login, timeout=20).json()
signed_in = {"Authorization": f"Bearer {tokens['access_token']}"}
admin("resources", identifier=ORDERS, name="Orders", scopes={"orders:read": {}})
METADATA = requests.get(get_well_known_url(URL, external=True), timeout=20).json()


def use_authlib(method: str) -> None:
    """Get, introspect and end a token; be refused with a wrong secret."""
    AuthorizationServerMetadata(METADATA).validate_issuer()
    client_id = register(auth_method=method)
    session = OAuth2Session(
        client_id,
        secret_of(client_id),
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
    )
    token = session.fetch_token(METADATA["token_endpoint"], grant_type="client_credentials")
    assert (token["token_type"], token["scope"]) == ("Bearer", "orders:read"), token
    told = session.introspect_token(
        METADATA["introspection_endpoint"], token=token["access_token"]
    ).json()
    assert (told["active"], told["client_id"], told["aud"]) == (True, client_id, ORDERS), told
    ended = session.revoke_token(METADATA["revocation_endpoint"], token=token["access_token"])
    assert ended.status_code == 200, ended.text
    told = session.introspect_token(
        METADATA["introspection_endpoint"], token=token["access_token"]
    ).json()
    assert told == {"active": False}
    wrong = OAuth2Session(client_id, "wrong", token_endpoint_auth_method=method)
    try:
        wrong.fetch_token(METADATA["token_endpoint"], grant_type="client_credentials")
    except OAuthError as refused:
        error = refused.error
    else:
        error = "none"
    assert error == "invalid_client"


def use_requests_oauth2client(auth: Any, client_id: str) -> None:
    client = OAuth2Client.from_discovery_document(METADATA, issuer=URL, auth=auth, testing=True)
    token = client.client_credentials(scope="orders:read", resource=ORDERS)
    assert (token.token_type, token.scope) == ("Bearer", "orders:read")
    told = client.introspect_token(token)
    assert (told["active"], told["sub"]) == (True, client_id), told
    assert client.revoke_access_token(token) is True
    assert client.introspect_token(token) == {"active": False}
    try:
        client.client_credentials(resource="https://other.example.com")
    except InvalidTarget:
        pass
    else:
        raise AssertionError("a foreign resource was believed")


use_authlib("client_secret_basic")
use_authlib("client_secret_post")

basic = register()
# As RFC 6749 section 2.3.1 has it: both halves are encoded before they become HTTP Basic.
encoded = (basic.replace("-", "%2D"), secret_of(basic).replace("_", "%5F"))
form = {"grant_type": "client_credentials"}
answer = requests.post(METADATA["token_endpoint"], data=form, auth=encoded, timeout=20)
assert answer.status_code == 200, answer.text
use_requests_oauth2client(ClientSecretBasic(basic, secret_of(basic)), basic)
post = register(auth_method="client_secret_post")
use_requests_oauth2client(ClientSecretPost(post, secret_of(post)), post)
key = Jwk.generate(alg="ES256").with_kid_thumbprint()
keys = {"keys": [dict(key.public_jwk())]}
signing = register(auth_method="private_key_jwt", jwks=keys)
# This library names the endpoint as the audience unless told; Keyfob takes its issuer alone.
use_requests_oauth2client(PrivateKeyJwt(signing, key, aud=METADATA["issuer"]), signing)
never_made = ClientSecretBasic(basic, "kfs_" + "0" * 49)
try:
    use_requests_oauth2client(never_made, basic)
except InvalidClient:
    pass
else:
    raise AssertionError("a secret that was never made was believed")
