"""Methods that a path does not support, and preflights of foreign pages."""

import pytest
from tests.fixtures.world import World

READ = "GET, HEAD"
PATHS = {
    "/": READ,
    "/me": f"DELETE, {READ}, PATCH",
    "/refresh": "POST",
    "/login": "POST",
    "/docs": READ,
}


@pytest.mark.parametrize("path", ["/", "/health/live", "/.well-known/jwks.json", "/docs", "/me"])
async def test_head_is_answered_as_get_without_the_body(world: World, path: str) -> None:
    await world.make_user()
    headers = (await world.log_in()).headers

    head = await world.api.head(path, headers=headers)
    whole = await world.api.get(path, headers=headers)

    assert head.status_code == whole.status_code == 200
    assert head.content == b"" != whole.content
    for name in ("content-type", "content-length", "cache-control", "content-security-policy"):
        assert head.headers[name] == whole.headers[name]


async def test_head_needs_the_same_authority(world: World) -> None:
    answer = await world.api.head("/me")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.content == b""


@pytest.mark.parametrize("path", ["/refresh", "/login"])
async def test_head_of_what_cannot_be_read_is_refused(world: World, path: str) -> None:
    assert (await world.api.head(path)).headers["allow"] == "POST"


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
@pytest.mark.parametrize("path", PATHS)
async def test_an_unknown_method_is_refused_alike(world: World, method: str, path: str) -> None:
    answer = await world.api.request(method, path, headers={"X-Planted": "echoed-by-trace"})

    assert answer.status_code == 405
    assert answer.headers["allow"] == PATHS[path]
    assert answer.json()["detail"] == f"Allowed: {PATHS[path]}"
    assert answer.headers["content-type"] == "application/problem+json"
    assert "echoed-by-trace" not in answer.text


async def test_the_hot_routes_know_only_their_method(world: World) -> None:
    user = await world.log_in() if await world.make_user() else None
    assert user is not None

    for method in ("POST", "PUT"):
        assert (await world.api.request(method, "/me", headers=user.headers)).status_code == 405
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = await world.api.request(method, "/refresh", json={"token": user.refresh})
        assert answer.status_code == 405
    assert (await world.refresh(user.refresh)).status_code == 200


@pytest.mark.parametrize("path", ["/me", "/refresh", "/login", "/nothing", "/health/live"])
async def test_a_foreign_origin_gets_no_cors_answer(world: World, path: str) -> None:
    await world.make_user()
    user = await world.log_in()
    for origin in ("https://evil.example", "null", "http://keyfob.test"):
        for method in ("OPTIONS", "GET", "POST"):
            answer = await world.api.request(
                method,
                path,
                headers={
                    **user.headers,
                    "Origin": origin,
                    "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Headers": "authorization",
                },
            )
            assert not [name for name in answer.headers if name.startswith("access-control-")]
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"


async def test_a_websocket_is_refused(world: World) -> None:
    sent = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: object) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/me",
        "raw_path": b"/me",
        "root_path": "",
        "query_string": b"",
        "headers": [],
        "subprotocols": [],
        "client": ("203.0.113.7", 1),
        "server": ("keyfob.test", 80),
    }
    await world.app(scope, receive, send)

    assert [message["type"] for message in sent] == ["websocket.close"]
