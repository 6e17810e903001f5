"""One small service in each framework: the same requests have the same answers."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import flask
import httpx
import pytest
from tests.apps import APPS, ORDERS
from tests.issuer import ADA, Issuer

import keyfob_client.django
import keyfob_client.flask
from keyfob_client import AsyncVerifier, Verifier
from keyfob_client.litestar import requires

Call = Callable[..., httpx.Response]
METADATA = f"{ORDERS}/.well-known/oauth-protected-resource"
# Since the verifiers check proofs.
PROOF = ', DPoP algs="EdDSA Ed25519 ES256 PS256"'


def call_asgi(app: Any) -> Call:
    async def call(method: str, path: str, headers: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=ORDERS) as client:
            return await client.request(method, path, headers=headers)

    return lambda method, path, headers=(): asyncio.run(call(method, path, headers))


def call_wsgi(app: Any) -> Call:
    def call(method: str, path: str, headers: Any = ()) -> httpx.Response:
        if isinstance(headers, list):  # servers for WSGI make one header of two
            headers = {headers[0][0]: ",".join(value for _, value in headers)}
        transport = httpx.WSGITransport(app)
        with httpx.Client(transport=transport, base_url=ORDERS) as client:
            return client.request(method, path, headers=headers)

    return call


@pytest.fixture(params=sorted(APPS))
def call(request: pytest.FixtureRequest, issuer: Issuer) -> Iterator[Call]:
    make = APPS[request.param]
    kind = Verifier if make.__name__.endswith("threads") else AsyncVerifier
    verifier = kind(issuer.url, audience=ORDERS, check_proof=lambda _, shown: shown == "nothing")
    app = make(verifier)
    yield call_wsgi(app) if "wsgi" in request.param else call_asgi(app)
    verifier.close()


@pytest.fixture
def bearer(issuer: Issuer) -> Callable[..., dict[str, str]]:
    def make(**differs: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {issuer.token(aud=ORDERS, **differs)}"}

    return make


def test_a_route_has_its_caller(call: Call, bearer: Callable[..., dict[str, str]]) -> None:
    answer = call("GET", "/orders", bearer())

    assert (answer.status_code, answer.json()) == (200, {"of": ADA})


def test_without_a_token_the_challenge_names_no_error(call: Call) -> None:
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Negotiate"}):
        answer = call("GET", "/orders", headers)

        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == f'Bearer resource_metadata="{METADATA}"{PROOF}'
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == 401


def test_wrong_tokens_are_refused_alike(
    call: Call, issuer: Issuer, bearer: Callable[..., dict[str, str]]
) -> None:
    expired = bearer(exp=1000)
    answers = [
        call("GET", "/orders", headers)
        for headers in (expired, {"Authorization": "Bearer a b"}, bearer(iss="x"))
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].headers["WWW-Authenticate"] == (
        'Bearer error="invalid_token", error_description="The access token is not valid", '
        f'resource_metadata="{METADATA}"{PROOF}'
    )
    assert answers[0].headers["Cache-Control"] == "no-store"


def test_two_headers_are_refused(call: Call, bearer: Callable[..., dict[str, str]]) -> None:
    one, other = bearer()["Authorization"], bearer(jti="other")["Authorization"]

    answer = call("GET", "/orders", [("Authorization", one), ("Authorization", other)])

    assert answer.status_code in {400, 401}


def test_a_role_is_asked_for(call: Call, bearer: Callable[..., dict[str, str]]) -> None:
    refused = call("DELETE", "/orders", bearer(roles=["user", "clerk"]))

    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]
    assert call("DELETE", "/orders", bearer(roles=["admin"])).status_code == 200


def test_a_scope_is_asked_for(call: Call, bearer: Callable[..., dict[str, str]]) -> None:
    refused = call("GET", "/reports", bearer())

    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]
    assert 'scope="reports:read"' in refused.headers["WWW-Authenticate"]
    assert refused.json()["scope"] == "reports:read"
    assert call("GET", "/reports", bearer(scope="reports:read a")).status_code == 200


def test_a_recent_sign_in_is_asked_for(
    call: Call, issuer: Issuer, bearer: Callable[..., dict[str, str]]
) -> None:
    for auth_time in (issuer.claims()["auth_time"] - 301, None):
        refused = call("POST", "/payments", bearer(auth_time=auth_time))

        assert refused.status_code == 401
        challenge = refused.headers["WWW-Authenticate"]
        assert 'error="insufficient_user_authentication"' in challenge
        assert 'max_age="300"' in challenge
        assert refused.json()["max_age"] == 300
    assert call("POST", "/payments", bearer()).status_code == 200


def test_programs_are_no_users(call: Call, bearer: Callable[..., dict[str, str]]) -> None:
    program = bearer(sub="reports", client_id="reports", roles=None, auth_time=None)

    assert call("GET", "/orders", program).status_code == 200
    assert call("GET", "/me", program).status_code == 403
    assert call("GET", "/me", bearer()).json() == {"of": ADA}


def test_without_keys_the_answer_is_503(
    call: Call, issuer: Issuer, bearer: Callable[..., dict[str, str]]
) -> None:
    issuer.is_down = True

    answer = call("GET", "/orders", bearer())

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "WWW-Authenticate" not in answer.headers


def test_a_bound_token_is_shown_its_request(
    call: Call, bearer: Callable[..., dict[str, str]]
) -> None:
    assert call("GET", "/orders", bearer(cnf={"jkt": "a key"})).status_code == 401


def test_the_service_describes_itself(call: Call, issuer: Issuer) -> None:
    answer = call("GET", "/.well-known/oauth-protected-resource")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(answer.content) == {
        "resource": ORDERS,
        "authorization_servers": [issuer.url],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": ["EdDSA", "Ed25519", "ES256", "PS256"],
        "scopes_supported": ["orders:read", "reports:read"],
        "resource_name": "Orders",
    }


def test_public_paths_need_no_token(call: Call, bearer: Callable[..., dict[str, str]]) -> None:
    assert call("GET", "/health").status_code == 200
    assert call("GET", "/health/../orders").status_code in {401, 404}


@pytest.mark.parametrize("kind", ["django", "flask", "litestar"])
def test_a_right_that_there_is_not_is_a_mistake(kind: str) -> None:
    verifier = Verifier("https://auth.example.com/auth", audience=ORDERS)
    asynchronous = AsyncVerifier(verifier.issuer, audience=ORDERS)
    protect: Callable[..., Any] = {
        "django": keyfob_client.django.Keyfob(verifier).protected,
        "flask": keyfob_client.flask.Keyfob(flask.Flask("orders"), verifier).protected,
        "litestar": lambda **rights: requires(asynchronous, **rights),
    }[kind]

    with pytest.raises(TypeError, match="roles"):
        protect(roles="admin")
