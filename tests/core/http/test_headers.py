"""Headers of every response, including errors and hot routes."""

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import PASSWORD, World

from keyfob.accounts.profiles import Profiles
from keyfob.core.problems import Problem
from keyfob.settings import Settings

ALWAYS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "strict-transport-security": "max-age=31536000",
}


async def answers_of_every_kind(world: World) -> dict[str, httpx.Response]:
    """Collect an answer of each status that a healthy service gives."""
    await world.make_user()
    user = await world.log_in()
    admin = await world.make_admin()
    api = world.api
    return {
        "200 hot": await world.me(user),
        "200 normal": await api.get("/me/sessions", headers=user.headers),
        "200 refresh": await world.refresh(user.refresh),
        "200 login": await api.post(
            "/login", json={"email": "ada@example.com", "password": PASSWORD}
        ),
        "201": await api.post(
            "/register", json={"email": "b@example.com", "password": "correct horse bat"}
        ),
        "204": await api.delete("/logout", headers=user.headers),
        "400": await api.get("/me?access_token=x"),
        "401 hot": await api.get("/me"),
        "401 refresh": await world.refresh("kfr_x"),
        "401 normal": await api.get("/me/sessions"),
        "403": await api.get(
            "/admin/users",
            headers=(await world.log_in("b@example.com", "correct horse bat")).headers,
        ),
        "404": await api.get("/nothing"),
        "405": await api.put("/me"),
        "409": await api.post(
            "/admin/users",
            json={"email": "ada@example.com", "password": PASSWORD},
            headers=admin.headers,
        ),
        "413": await api.post("/refresh", content=b"x" * 70_000),
        "415": await api.post("/refresh", content=b"x"),
        "422": await api.post("/refresh", json={}),
    }


async def test_every_answer_carries_the_security_headers(world: World) -> None:
    for kind, answer in (await answers_of_every_kind(world)).items():
        assert str(answer.status_code) == kind[:3], kind
        assert {name: answer.headers.get_list(name) for name in ALWAYS} == {
            name: [value] for name, value in ALWAYS.items()
        }, kind
        assert not {"server", "x-powered-by", "set-cookie"} & set(answer.headers), kind


async def test_every_refusal_is_a_whole_problem(world: World) -> None:
    for kind, answer in (await answers_of_every_kind(world)).items():
        if answer.status_code < 400:
            continue
        assert answer.headers["content-type"] == "application/problem+json", kind
        problem = answer.json()
        assert {"type", "title", "status", "code", "request_id"} <= set(problem), kind
        assert problem["status"] == answer.status_code, kind
        assert ("www-authenticate" in answer.headers) == (answer.status_code == 401), kind


async def test_an_unexpected_fault_tells_an_id_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.make_user()
    user = await world.log_in()

    async def fail(*_: object) -> None:
        raise RuntimeError("the inside of the machine")

    monkeypatch.setattr(Profiles, "body_of", fail)
    monkeypatch.setattr("keyfob.sessions.queries.list_live_sessions", fail)

    for path in ("/me", "/me/sessions"):
        answer = await world.api.get(path, headers=user.headers)
        assert answer.status_code == 500
        assert answer.json() == {
            "type": "about:blank",
            "title": Problem.title,
            "status": 500,
            "code": "internal_error",
            "request_id": answer.headers["x-request-id"],
        }
        assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS


async def test_hsts_can_be_left_to_the_proxy(settings: Settings, clock: MovableClock) -> None:
    async with World(settings.model_copy(update={"hsts": False}), clock) as world:
        answer = await world.api.get("/health/live")

    assert "strict-transport-security" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_hsts_binds_no_other_host_unless_told_to(
    settings: Settings, clock: MovableClock
) -> None:
    """The owner of auth.example.com may not own its subdomains."""
    for wide, value in ((False, "max-age=31536000"), (True, "max-age=31536000; includeSubDomains")):
        told = settings.model_copy(update={"hsts_subdomains": wide})
        async with World(told, clock) as world:
            for path in ("/health/live", "/me", "/nothing"):
                answer = await world.api.get(path)
                assert answer.headers.get_list("strict-transport-security") == [value]


async def test_only_what_is_public_may_be_cached(world: World) -> None:
    kept = {}
    for path in ("/.well-known/jwks.json", "/docs/swagger-ui.css", "/docs", "/openapi.json", "/"):
        kept[path] = (await world.api.get(path)).headers["cache-control"]

    assert kept["/.well-known/jwks.json"].startswith("public, max-age=")
    assert kept["/docs/swagger-ui.css"] == "public, max-age=3600"
    assert kept["/openapi.json"] == "no-cache"  # a copy is good once we have said so
    assert {kept["/docs"], kept["/"]} == {"no-store"}
