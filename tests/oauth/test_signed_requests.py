"""An app signs its request (RFC 9101): what it has signed counts, and nothing beside it."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.fixtures.apps import App, allowed, answer_of, make_app
from tests.fixtures.assertions import JWT_BEARER, private_key, public_jwk
from tests.fixtures.clock import MovableClock
from tests.fixtures.programs import own_api
from tests.fixtures.world import World
from tests.web.account_pages import signed_in

from keyfob.clients.models import AuthMethod
from keyfob.core.clock import Clock

pytestmark = pytest.mark.usefixtures("ada")
ALGORITHMS = ["EdDSA", "ES256", "PS256", "RS256"]


@pytest.fixture
async def ada(world: World) -> UUID:
    """The user, whose address is verified."""
    return await world.make_user(name="Ada")


@pytest.fixture
async def app(world: World) -> App:
    return await make_signing_app(world)


@pytest.fixture
async def browser(world: World, ada: UUID) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(world) as browser:
        yield browser


async def make_signing_app(world: World, algorithm: str = "EdDSA", **fields: Any) -> App:
    return await make_app(world, jwks={"keys": [public_jwk(algorithm)]}, **fields)


def claims_of(app: App, **changed: Any) -> dict[str, Any]:
    """Return a good request, with changes; None leaves one out."""
    now = app.world.service(Clock).timestamp()
    usual: dict[str, Any] = {
        "iss": str(app.id),
        "aud": own_api(app.world),
        "iat": now,
        "nbf": now,
        "exp": now + 60,
        **app.query(),
    }
    return {name: value for name, value in (usual | changed).items() if value is not None}


def sign(
    app: App,
    algorithm: str = "EdDSA",
    header: dict[str, Any] | None = None,
    **changed: Any,
) -> str:
    headers = {"kid": "one", "typ": "oauth-authz-req+jwt", **(header or {})}
    return jwt.encode(claims_of(app, **changed), private_key(algorithm), algorithm, headers)


def segment(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def bring(
    app: App, browser: httpx.AsyncClient, signed: str, **outside: str
) -> httpx.Response:
    params = {"client_id": str(app.id), "request": signed, **outside}
    return await browser.get("/oauth2/authorize", params=params)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_signed_request_of_each_algorithm_is_answered(
    world: World, browser: httpx.AsyncClient, algorithm: str
) -> None:
    app = await make_signing_app(world, algorithm)
    for typ in ("oauth-authz-req+jwt", "application/oauth-authz-req+jwt", "JWT", None):
        signed = sign(
            app, algorithm, {"typ": typ}, max_age=3600, claims={"userinfo": {"name": None}}
        )
        answer = answer_of(await allowed(browser, await bring(app, browser, signed)))
        assert answer["state"] == "af0ifjsldkj"
        assert "code" in answer, typ


async def test_what_stands_beside_it_does_not_count(app: App, browser: httpx.AsyncClient) -> None:
    outside = {
        "scope": "openid groups offline_access",
        "redirect_uri": "https://evil.example/callback",
        "state": "other",
        "response_type": "code",
        "prompt": "none",
    }

    answer = answer_of(await allowed(browser, await bring(app, browser, sign(app), **outside)))

    assert answer["state"] == "af0ifjsldkj"
    assert (await app.exchange(answer["code"])).json()["scope"] == "openid profile email"


async def test_the_response_type_alone_may_stand_outside(
    app: App, browser: httpx.AsyncClient
) -> None:
    inner = sign(app, response_type=None)

    good = await allowed(browser, await bring(app, browser, inner, response_type="code"))
    none = answer_of(await bring(app, browser, inner))
    other = await bring(app, browser, sign(app), response_type="token")

    assert "code" in answer_of(good)
    assert none["error"] == "invalid_request"
    assert (other.status_code, "location" in other.headers) == (400, False)


async def test_a_signed_request_may_be_pushed(app: App, browser: httpx.AsyncClient) -> None:
    names = dict.fromkeys(app.query())
    pushed = await app.push(**{**names, "request": sign(app)})
    foreign = await app.push(**{**names, "request": sign(app, iss="somebody")})

    uri = pushed.json()["request_uri"]
    assert "code" in answer_of(await allowed(browser, await app.bring(browser, uri)))
    assert foreign.json()["error"] == "invalid_request_object"


def wrong(app: App) -> dict[str, str]:
    """Traps 11 and 17: requests that are not signed by the client's key, for us, for now."""
    now, pem = (
        app.world.service(Clock).timestamp(),
        private_key("EdDSA")
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )
    plain = segment({"alg": "none"}) + "." + segment(claims_of(app)) + "."
    by_secret = segment({"alg": "HS256", "kid": "one"}) + "." + segment(claims_of(app))
    jwe = ".".join([segment({"alg": "RSA-OAEP", "enc": "A256GCM"}), *["e30"] * 4])
    good = sign(app)
    other = str(UUID(int=7))
    lone = {"state": "\ud800"}
    return {
        "none": plain,
        "none, with a kid": segment({"alg": "none", "kid": "one"}) + plain[plain.index(".") :],
        "HS256 by the public key": f"{by_secret}.{segment(hmac_of(by_secret, pem))}",
        "encrypted": jwe,
        "bare JSON": segment(claims_of(app)),
        "of another key": jwt.encode(claims_of(app), private_key("ES256"), "ES256", {"kid": "one"}),
        "with a key within": jwt.encode(
            claims_of(app), private_key("ES256"), "ES256", {"jwk": public_jwk("ES256")}
        ),
        "cut": good[:-4],
        "crit": sign(app, header={"crit": ["exp"]}),
        "an assertion by its typ": sign(app, header={"typ": "client-authentication+jwt"}),
        "an access token by its typ": sign(app, header={"typ": "at+jwt"}),
        "an assertion by its sub": sign(app, sub=str(app.id)),
        "of another client": sign(app, iss=other),
        "for another client": sign(app, client_id=other),
        "without iss": sign(app, iss=None),
        "for nobody": sign(app, aud=None),
        "for another server": sign(app, aud="https://other.example.com"),
        "for our token endpoint": sign(app, aud=f"{own_api(app.world)}/oauth2/token"),
        "without end": sign(app, exp=None),
        "over": sign(app, exp=now),
        "of a day": sign(app, exp=now + 86_400),
        "of tomorrow": sign(app, nbf=now + 600),
        "of yesterday": sign(app, nbf=now - 7200),
        "without sense": sign(app, exp="soon"),
        "within another": sign(app, request=good),
        "by an address": sign(app, request_uri="https://app.example.com/r"),
        "with control characters": sign(app, state="a\x00b"),
        "with half a character": sign(app, **lone),
        "long": sign(app, state="s" * 20_000),
        "nothing": ".",
    }


def hmac_of(text: str, key: bytes) -> bytes:
    return jwt.get_algorithm_by_name("HS256").sign(text.encode(), key)


async def test_what_is_not_the_clients_word_is_refused_and_sends_nobody_anywhere(
    app: App, browser: httpx.AsyncClient
) -> None:
    for name, signed in wrong(app).items():
        page = await bring(app, browser, signed)
        foreign = await bring(app, browser, signed, redirect_uri="https://evil.example/callback")
        told = answer_of(await app.send(browser, request=signed))
        pushed = await app.push(request=signed)
        for answer in (page, foreign):
            assert (answer.status_code, "location" in answer.headers) == (400, False), name
        assert told["error"] == pushed.json()["error"] == "invalid_request_object", name
        assert (told["state"], pushed.status_code) == ("af0ifjsldkj", 400), name


async def test_a_signed_request_is_checked_as_any_other(
    app: App, browser: httpx.AsyncClient
) -> None:
    foreign = await bring(app, browser, sign(app, redirect_uri="https://evil.example/callback"))
    plain = answer_of(await bring(app, browser, sign(app, code_challenge_method="plain")))
    odd = answer_of(await bring(app, browser, sign(app, prompt=["none"])))

    assert (foreign.status_code, "location" in foreign.headers) == (400, False)
    assert plain["error"] == odd["error"] == "invalid_request"


async def test_an_app_that_has_to_sign_is_heard_no_other_way(
    world: World, browser: httpx.AsyncClient
) -> None:
    app = await make_signing_app(world, require_signed_request=True)

    unsigned = answer_of(await app.send(browser))
    pushed = await app.push()
    foreign = await app.send(browser, redirect_uri="https://evil.example/callback")
    signed = await allowed(browser, await bring(app, browser, sign(app)))

    assert unsigned["error"] == pushed.json()["error"] == "invalid_request"
    assert foreign.status_code == 400
    assert "code" in answer_of(signed)


async def test_a_signed_request_proves_no_client(
    world: World, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    app = await make_signing_app(world, auth_method=AuthMethod.PRIVATE_KEY_JWT)
    shown = {"grant_type": "authorization_code", "code": "x", "client_assertion_type": JWT_BEARER}

    answer = await world.api.post("/oauth2/token", data={**shown, "client_assertion": sign(app)})

    assert answer.json()["error"] == "invalid_client"
    described = (await world.api.get("/.well-known/openid-configuration")).json()
    assert described["request_parameter_supported"] is True
    assert described["request_uri_parameter_supported"] is False
    told = described["request_object_signing_alg_values_supported"]
    assert sorted(told) == sorted([*ALGORITHMS, "Ed25519"])  # RFC 9864: another name of EdDSA
