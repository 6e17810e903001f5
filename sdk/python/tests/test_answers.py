"""What frameworks have in common: headers, needs, paths, metadata; and what only some have."""

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

import fastapi
import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from tests.issuer import AUDIENCE, Issuer

from keyfob_client import (
    AsyncVerifier,
    InsufficientAuthentication,
    InvalidToken,
    NoToken,
    Refused,
    Unavailable,
    Verifier,
)
from keyfob_client.answers import Needs, answer_to, metadata_path, metadata_url
from keyfob_client.asgi import KeyfobMiddleware, token_of
from keyfob_client.fastapi import CurrentToken, protect, require_acr
from keyfob_client.middleware import Paths
from keyfob_client.prometheus import Collector


def test_places_of_metadata_follow_from_the_resource() -> None:
    assert metadata_path("https://a.example.com") == "/.well-known/oauth-protected-resource"
    assert metadata_path("https://a.example.com/v1/") == "/.well-known/oauth-protected-resource/v1"
    assert metadata_url("https://a.example.com:8443/v1") == (
        "https://a.example.com:8443/.well-known/oauth-protected-resource/v1"
    )


def test_the_resource_is_the_one_address_among_the_audience() -> None:
    def resource(audience: Any, **options: Any) -> str | None:
        return Verifier("https://auth.example.com", audience=audience, **options).resource

    assert resource("keyfob") is None
    assert resource(["keyfob", AUDIENCE]) == AUDIENCE
    assert resource([AUDIENCE, "https://bills.example.com"]) is None
    assert resource("keyfob", resource=AUDIENCE) == AUDIENCE


def test_paths_are_exact_or_below() -> None:
    paths = Paths(["/health", "/public/"])

    assert all(paths.include(path) for path in ("/health", "/public/", "/public/a/b", "/public/a/"))
    for other in (
        "/health/",
        "/healthy",
        "/public",
        "/public/../a",
        "/public//a",
        "/public/./a",
        "",
    ):
        assert not paths.include(other)
    for wrong in ("/health", ["health"]):
        with pytest.raises(ValueError, match="begin with /"):
            Paths(wrong)


def test_a_strength_of_the_sign_in_is_asked_for(issuer: Issuer, verifier: Verifier) -> None:
    token, needs = verifier.verify(issuer.token(acr="aal1")), Needs.of(acr=["aal2", "aal3"])

    with pytest.raises(InsufficientAuthentication) as refused:
        needs.check(token, now=0)

    challenge = answer_to(refused.value, verifier).headers["WWW-Authenticate"]
    assert 'acr_values="aal2 aal3"' in challenge
    needs.check(verifier.verify(issuer.token(acr="aal2", jti="2")), now=0)


def test_letters_of_a_challenge_are_quoted(verifier: Verifier) -> None:
    refused = NoToken()
    refused.parameters["scope"] = 'a"b\\c'

    assert r'scope="a\"b\\c"' in answer_to(refused, verifier).headers["WWW-Authenticate"]


def test_a_challenge_without_parameters_ends_with_its_scheme(issuer: Issuer) -> None:
    nameless = Verifier(issuer.url, audience="keyfob")

    assert answer_to(NoToken(), nameless).headers["WWW-Authenticate"] == "Bearer"


def test_the_document_of_fastapi_shows_a_bearer_token(issuer: Issuer) -> None:
    app = fastapi.FastAPI()
    protect(app, AsyncVerifier(issuer.url, audience="keyfob"))

    @app.get("/strong", dependencies=[require_acr("aal2")])
    async def strong(token: CurrentToken) -> None:
        """Need a strong sign-in."""

    document = app.openapi()
    assert document["components"]["securitySchemes"] == {
        "Keyfob": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    assert document["paths"]["/strong"]["get"]["security"] == [{"Keyfob": []}]
    assert list(document["paths"]) == ["/strong"]


def test_an_app_that_is_not_protected_answers_nothing() -> None:
    app = fastapi.FastAPI()

    @app.get("/")
    async def route(token: CurrentToken) -> None:
        """Never called."""

    with pytest.raises(RuntimeError, match="protect"):
        asyncio.run(ask(app, "/"))


async def ask(app: Any, path: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get(path, headers=headers)


async def test_a_token_may_be_optional(issuer: Issuer) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["state"]["token"] is None
        token_of(scope)

    verifier = AsyncVerifier(issuer.url, audience=AUDIENCE)
    middleware = KeyfobMiddleware(app, verifier, optional=True)

    assert (await ask(middleware, "/")).status_code == 401
    wrong = await ask(middleware, "/", Authorization="Bearer wrong")
    assert wrong.json()["code"] == "invalid_token"
    verifier.close()


async def test_websockets_without_a_token_are_closed(issuer: Issuer) -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        sent.append(scope["type"])

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    middleware = KeyfobMiddleware(app, AsyncVerifier(issuer.url, audience=AUDIENCE))
    await middleware({"type": "lifespan"}, receive, send)
    await middleware({"type": "websocket", "path": "/", "headers": []}, receive, send)

    assert sent == ["lifespan", {"type": "websocket.close", "code": 1008}]


def test_metrics_are_shown_to_prometheus(issuer: Issuer, verifier: Verifier) -> None:
    token = issuer.token()
    verifier.verify(token)
    verifier.verify(token)
    with pytest.raises(Exception, match="malformed"):
        verifier.verify("rubbish")
    registry = CollectorRegistry()
    registry.register(Collector(verifier))

    text = generate_latest(registry).decode()

    assert 'keyfob_client_tokens_total{how="verified"} 1.0' in text
    assert 'keyfob_client_tokens_total{how="remembered"} 1.0' in text
    assert 'keyfob_client_refused_total{what="malformed"} 1.0' in text
    assert 'keyfob_client_events_total{what="keys_changed"} 1.0' in text
    assert 'keyfob_client_feed{state="off"} 1.0' in text
    assert "keyfob_client_feed_age_seconds" not in text


def test_answers_are_those_of_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs" / "verifying.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \| (.+?) \|", page, re.MULTILINE)
    kinds = [kind for kind in Refused.__subclasses__() if kind.__module__ == "keyfob_client.errors"]

    assert sorted(rows) == sorted((kind.code, str(kind.status), kind.title) for kind in kinds)


def test_the_reason_is_logged_and_while_nothing_can_be_judged_once(
    verifier: Verifier, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "keyfob_client")
    for refused in (NoToken(), InvalidToken("wrong_audience"), *[Unavailable("feed_lost")] * 3):
        answer_to(refused, verifier)

    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "answered 401: no_token"),
        ("INFO", "answered 401: wrong_audience"),
        ("WARNING", "answered 503: feed_lost"),
    ]
