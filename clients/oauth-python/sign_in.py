"""Apps by which a person signs in, with Authlib and with requests-oauth2client."""

import os
from typing import Any

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet
from jwskate import Jwk
from person import Person
from requests_oauth2client import (
    ClientSecretBasic,
    DeviceAuthorizationPoolingJob,
    DPoPKey,
    DPoPToken,
    InvalidGrant,
    OAuth2Client,
    PublicApp,
)

URL, PASSWORD = (os.environ[f"KEYFOB_{name}"] for name in ("URL", "ADMIN_PASSWORD"))
CALLBACK = "https://app.example.com/callback"
NATIVE = "http://127.0.0.1:51004/callback"
SCOPE = "openid profile email groups offline_access"


def post(path: str, **body: Any) -> Any:
    answer = requests.post(f"{URL}/{path}", json=body, headers=signed_in, timeout=20)
    assert answer.ok, answer.text
    return answer.json()


signed_in: dict[str, str] = {}
tokens = post("login", email="admin@example.com", password=PASSWORD)
signed_in = {"Authorization": f"Bearer {tokens['access_token']}"}
METADATA = requests.get(f"{URL}/.well-known/openid-configuration", timeout=20).json()


def register(**fields: Any) -> str:
    client_id: str = post("admin/clients", **{"name": "Ledger", **fields})["id"]
    return client_id


def check_identity(id_token: str, client_id: str, nonce: str, algorithm: str) -> dict[str, Any]:
    """Check an ID token as OpenID Connect Core section 3.1.3.7 has it, and return its claims."""
    keys = KeySet.import_key_set(requests.get(METADATA["jwks_uri"], timeout=20).json())
    decoded = jwt.decode(id_token, keys, algorithms=[algorithm])
    params = {"nonce": nonce, "client_id": client_id}
    options = {"iss": {"value": METADATA["issuer"]}, "aud": {"value": client_id}}
    claims = CodeIDToken(decoded.claims, decoded.header, options, params)
    claims.validate()
    return dict(claims)


def use_authlib(algorithm: str) -> None:
    """Sign in, read who it is, refresh, and give it up."""
    client_id = register(kind="web", redirect_uris=[CALLBACK], id_token_alg=algorithm)
    secret = post(f"admin/clients/{client_id}/secrets")["client_secret"]
    session = OAuth2Session(
        client_id, secret, scope=SCOPE, redirect_uri=CALLBACK, code_challenge_method="S256"
    )
    verifier, nonce = "v" * 64, f"nonce-{algorithm}"
    url, state = session.create_authorization_url(
        METADATA["authorization_endpoint"], code_verifier=verifier, nonce=nonce
    )
    came_back = Person("admin@example.com", PASSWORD).visit(url, CALLBACK)
    assert f"iss={requests.utils.quote(METADATA['issuer'], safe='')}" in came_back, came_back
    given = session.fetch_token(
        METADATA["token_endpoint"],
        authorization_response=came_back,
        code_verifier=verifier,
        state=state,
    )
    claims = check_identity(given["id_token"], client_id, nonce, algorithm)
    about = session.get(METADATA["userinfo_endpoint"]).json()
    assert about["sub"] == claims["sub"], (about, claims)
    assert about["groups"] == claims["groups"] == ["admin"], about
    again = session.refresh_token(METADATA["token_endpoint"])
    assert again["access_token"] != given["access_token"]
    assert requests.get(f"{URL}/me", headers=bearer(again), timeout=20).status_code == 401
    ended = session.revoke_token(METADATA["revocation_endpoint"], token=again["refresh_token"])
    assert ended.status_code == 200, ended.text
    gone = requests.get(METADATA["userinfo_endpoint"], headers=bearer(again), timeout=20)
    assert gone.status_code == 401, gone.text


def bearer(token: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {token['access_token']}"}


def use_requests_oauth2client(*, native: bool, pushes: bool = False, signs: bool = False) -> None:
    """Sign in to an app with a server, or to one on the person's own machine.

    The first may push its request (RFC 9126) or sign it (RFC 9101), and then has to.
    """
    key = Jwk.generate(alg="ES256").with_kid_thumbprint()
    jwks = {"jwks": {"keys": [dict(key.public_jwk())]}, "require_signed_request": True}
    kind, callback = ("native", NATIVE) if native else ("web", CALLBACK)
    registered = "http://127.0.0.1/callback" if native else CALLBACK
    more = {"require_par": pushes, **(jwks if signs else {})}
    client_id = register(kind=kind, redirect_uris=[registered], **more)
    if native:
        auth: Any = PublicApp(client_id)
    else:
        auth = ClientSecretBasic(
            client_id, post(f"admin/clients/{client_id}/secrets")["client_secret"]
        )
    client = OAuth2Client.from_discovery_document(
        METADATA, issuer=METADATA["issuer"], auth=auth, redirect_uri=callback, testing=True
    )
    named = {"iss": client_id, "aud": METADATA["issuer"]} if signs else {}
    asked = client.authorization_request(scope=SCOPE, **named)
    brought: Any = asked.sign(key, lifetime=60) if signs else asked
    brought = client.pushed_authorization_request(brought) if pushes else brought
    came_back = Person("admin@example.com", PASSWORD).visit(str(brought), callback)
    answer = asked.validate_callback(came_back)
    token = client.authorization_code(answer, validate=False)
    assert token.scope == SCOPE, token
    claims = check_identity(str(token.id_token), client_id, asked.nonce, "RS256")
    assert claims["groups"] == ["admin"], claims
    assert client.refresh_token(token.refresh_token).access_token != token.access_token


def use_bound_tokens(algorithm: str, *, native: bool, pushes: bool = False) -> None:
    """Get tokens that are bound to a key (DPoP), with an app that has a secret or none."""
    kind, callback = ("native", NATIVE) if native else ("web", CALLBACK)
    registered = "http://127.0.0.1/callback" if native else CALLBACK
    client_id = register(kind=kind, redirect_uris=[registered], dpop_bound=True)
    auth: Any = PublicApp(client_id)
    if not native:
        secret = post(f"admin/clients/{client_id}/secrets")["client_secret"]
        auth = ClientSecretBasic(client_id, secret)
    client = OAuth2Client.from_discovery_document(
        METADATA, issuer=METADATA["issuer"], auth=auth, redirect_uri=callback, testing=True
    )
    asked = client.authorization_request(scope=SCOPE, dpop=True, dpop_alg=algorithm)
    brought: Any = client.pushed_authorization_request(asked) if pushes else asked
    came_back = Person("admin@example.com", PASSWORD).visit(str(brought), callback)
    answer = asked.validate_callback(came_back)
    token = client.authorization_code(answer, validate=False)
    assert isinstance(token, DPoPToken), token
    for _ in range(2):
        about = requests.get(METADATA["userinfo_endpoint"], auth=token, timeout=20)
        assert about.json()["groups"] == ["admin"], about.text
    as_bearer = {"Authorization": f"Bearer {token.access_token}"}
    stolen = requests.get(METADATA["userinfo_endpoint"], headers=as_bearer, timeout=20)
    assert stolen.status_code == 401, stolen.text
    assert stolen.headers["WWW-Authenticate"].startswith("DPoP "), stolen.headers
    again = client.refresh_token(token)
    assert isinstance(again, DPoPToken), again
    assert again.access_token != token.access_token
    form = {"grant_type": "refresh_token", "refresh_token": again.refresh_token}
    try:
        client.token_request(form, dpop_key=DPoPKey.generate("ES256"))
    except InvalidGrant:
        assert native
    else:
        assert not native  # its secret says who it is, whatever key it has


def use_device() -> None:
    """Sign in on a device without a browser (RFC 8628), by a code that is typed in one."""
    grants = ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]
    client = OAuth2Client.from_discovery_document(
        METADATA,
        issuer=METADATA["issuer"],
        auth=PublicApp(register(kind="native", grants=grants)),
        device_authorization_endpoint=METADATA["device_authorization_endpoint"],
        testing=True,
    )
    codes = client.authorize_device(scope=SCOPE)
    job = DeviceAuthorizationPoolingJob(client, codes, interval=codes.interval)
    assert job() is None  # nobody has decided yet
    person = Person("admin@example.com", PASSWORD)
    person.allow_device(codes.verification_uri, codes.user_code.lower().replace("-", " "))
    token = job()
    assert token is not None
    assert token.scope == SCOPE, token
    assert client.refresh_token(token.refresh_token).access_token != token.access_token


for algorithm in METADATA["id_token_signing_alg_values_supported"]:
    use_authlib(algorithm)
use_requests_oauth2client(native=False)
use_requests_oauth2client(native=True)
use_requests_oauth2client(native=True, pushes=True)
for pushes, signs in ((True, False), (False, True)):
    use_requests_oauth2client(native=False, pushes=pushes, signs=signs)
for algorithm in ("ES256", "EdDSA", "PS256"):
    use_bound_tokens(algorithm, native=True)
    use_bound_tokens(algorithm, native=False, pushes=algorithm == "EdDSA")
use_device()
