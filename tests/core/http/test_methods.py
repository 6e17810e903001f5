"""Methods that a path does not know, and what browsers ask on behalf of foreign pages."""

import pytest
from tests.fixtures.world import World

PATHS = {"/": "GET", "/me": "GET", "/refresh": "POST", "/login": "POST", "/docs": "GET"}


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
@pytest.mark.parametrize("path", PATHS)
async def test_an_unknown_method_is_refused_alike(world: World, method: str, path: str) -> None:
    answer = await world.api.request(method, path, headers={"X-Planted": "echoed-by-trace"})

    assert answer.status_code == 405
    assert answer.headers["allow"] == PATHS[path]
    assert answer.headers["content-type"] == "application/problem+json"
    assert "echoed-by-trace" not in answer.text


async def test_the_hot_routes_know_only_their_method(world: World) -> None:
    user = await world.log_in() if await world.make_user() else None
    assert user is not None

    for method in ("POST", "PUT", "PATCH", "DELETE"):
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
