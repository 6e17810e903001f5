"""Each response has an id: our own, or that of a trusted proxy."""

import ipaddress
from collections.abc import AsyncIterator

import pytest
from tests.fixtures.asgi import call_raw
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import CLIENT, World

from keyfob.settings import Settings

PROXY = "10.0.0.1"
GIVEN = "proxy-made:0123.45_67"


@pytest.fixture
async def behind_proxy(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    proxies = [ipaddress.ip_network("10.0.0.0/8")]
    async with World(settings.model_copy(update={"trusted_proxies": proxies}), clock) as world:
        yield world


@pytest.mark.parametrize("path", ["/me", "/health/live", "/nothing"])
async def test_an_id_is_made_for_each_request(world: World, path: str) -> None:
    ids = {(await world.api.get(path)).headers["x-request-id"] for _ in range(20)}

    assert len(ids) == 20
    assert all(len(one) == 16 for one in ids)


@pytest.mark.parametrize("path", ["/me", "/refresh", "/login", "/nothing"])
async def test_a_problem_tells_the_id_of_its_answer(world: World, path: str) -> None:
    answer = await world.api.request("PUT" if path == "/nothing" else "GET", path)

    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_strangers_id_is_not_taken(behind_proxy: World) -> None:
    for client in (behind_proxy.client(CLIENT), behind_proxy.client(None)):
        answer = await client.get("/me", headers={"X-Request-ID": GIVEN, "X-Forwarded-For": PROXY})
        assert answer.headers["x-request-id"] != GIVEN


async def test_without_configured_proxies_no_id_is_taken(world: World) -> None:
    for address in ("127.0.0.1", PROXY):
        answer = await world.client(address).get("/me", headers={"X-Request-ID": GIVEN})
        assert answer.headers["x-request-id"] != GIVEN


@pytest.mark.parametrize("path", ["/me", "/health/live", "/nothing"])
async def test_the_id_of_a_trusted_proxy_is_taken(behind_proxy: World, path: str) -> None:
    answer = await behind_proxy.client(PROXY).get(path, headers={"X-Request-ID": GIVEN})

    assert answer.headers.get_list("x-request-id") == [GIVEN]


async def test_the_id_of_a_proxy_at_the_unix_socket_is_taken(
    settings: Settings, clock: MovableClock
) -> None:
    for host, is_taken in (("unix:/run/keyfob.sock", True), ("127.0.0.1", False)):
        async with World(settings.model_copy(update={"host": host}), clock) as world:
            answer = await world.client(None).get("/me", headers={"X-Request-ID": GIVEN})
            assert (answer.headers["x-request-id"] == GIVEN) is is_taken


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"short",
        b"x" * 129,
        b"x" * 100_000,
        b"with space in it",
        b"line\r\nSet-Cookie: a=b",
        b"line\nbreak-here",
        b"eight-ok\n",
        b"\x00\x01\x02\x03\x04\x05\x06\x07",
        b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8",
        b'"><script>alert(1)</script>',
        b"{'x':'y'},{'z':'w'}",
        "идентификатор".encode(),
    ],
)
async def test_a_hostile_id_is_ignored_even_from_a_proxy(
    behind_proxy: World, hostile: bytes
) -> None:
    answer = await call_raw(
        behind_proxy, "GET", "/me", headers=[(b"x-request-id", hostile)], client=PROXY
    )

    made = answer.header(b"x-request-id")
    assert answer.status == 401
    assert made is not None
    assert made != hostile
    assert len(made) == 16
    assert len([name for name, _ in answer.headers if name == b"x-request-id"]) == 1
