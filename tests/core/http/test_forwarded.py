"""The address of the client behind proxies of ours, by the one header that they write."""

import ipaddress
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.fixtures.asgi import call_raw
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import CLIENT, World

from keyfob.settings import Settings

PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]
PROXY = "10.0.0.1"
BODY = b'{"email": "ada@example.com", "password": "wrong horse"}'


def behind(settings: Settings, header: str, **more: object) -> Settings:
    return settings.model_copy(
        update={"trusted_proxies": PROXIES, "forwarded_header": header, **more}
    )


async def seen_as(world: World, *lines: tuple[str, str], client: str | None = PROXY) -> str:
    """Return the address that a sign-in with these headers has in the log."""
    headers = [(name.encode(), value.encode("latin-1")) for name, value in lines]
    headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
    await world.db.execute("DELETE FROM login_events")
    answer = await call_raw(world, "POST", "/login", headers=headers, pieces=[BODY], client=client)
    assert answer.status == 401
    return str(await world.db.fetchval("SELECT ip_address FROM login_events"))


@pytest.fixture
async def standard(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    """Behind proxies that write RFC 7239."""
    async with World(behind(settings, "forwarded"), clock) as world:
        yield world


FORWARDED = [
    ("for=203.0.113.5", "203.0.113.5"),
    ("For=203.0.113.5;proto=https;by=10.0.0.1", "203.0.113.5"),
    ("proto=https; FOR=203.0.113.5 ;host=a", "203.0.113.5"),
    ('for="203.0.113.5:4711"', "203.0.113.5"),
    ('for="[2001:DB8::5]:4711"', "2001:db8::5"),
    ('for="[2001:db8::5]"', "2001:db8::5"),
    ("for=1.1.1.1, for=203.0.113.5", "203.0.113.5"),
    ("for=1.1.1.1, for=203.0.113.5, for=10.9.9.9,for=10.8.8.8", "203.0.113.5"),
    ("for=10.1.1.1, for=10.2.2.2", "10.1.1.1"),
    ('for=203.0.113.5;host="a,b;for=6.6.6.6"', "203.0.113.5"),
    ('for=6.6.6.6;host=", for=203.0.113.5', "203.0.113.5"),
    ('host="x, for=203.0.113.5', "203.0.113.5"),
    ("for=6.6.6.6," * 3000 + "for=203.0.113.5", "203.0.113.5"),
    ("for=203.0.113.5;" + "x=y;" * 1000 + "by=a", "203.0.113.5"),
]


async def test_forwarded_is_read_from_the_right(standard: World) -> None:
    seen = [(value, await seen_as(standard, ("forwarded", value))) for value, _ in FORWARDED]

    assert seen == FORWARDED


async def test_lines_of_forwarded_are_one_list(standard: World) -> None:
    lines = [
        ("forwarded", "for=1.1.1.1"),
        ("forwarded", "for=203.0.113.5"),
        ("forwarded", "for=10.1.1.1"),
    ]

    assert await seen_as(standard, *lines) == "203.0.113.5"


MALFORMED = [
    "",
    ",",
    "203.0.113.5",
    "for=",
    "for=unknown",
    "for=_hidden",
    'for="203.0.113.5',
    'for="203.0.113.5"x',
    "for=203.0.113.5;for=6.6.6.6",
    'for=203.0.113.5;host="a\\", for=6.6.6.6"',
    'for=203.0.113.5;host="a\\";for=6.6.6.6;x="',
    "for 203.0.113.5",
    "for=203.0.113.5 for=6.6.6.6",
    'by="\u00ff',
    '"' * 3000,
    'for="' * 3000,
    ";" * 5000,
    "for=10.0.0.1," * 500,
    "=" * 5000 + " " * 5000,
    "for=6.6.6.6;" + "x=y;" * 1021 + "by=a",
    "for=6.6.6.6;" + "x=y;" * 2000 + "for=6.6.6.6",
]


async def test_what_cannot_be_read_is_believed_of_nobody(standard: World) -> None:
    for value in MALFORMED:
        assert await seen_as(standard, ("forwarded", value)) == PROXY, value[:60]


async def test_what_was_well_is_kept_when_the_rest_cannot_be_read(standard: World) -> None:
    for rest in ("for=unknown", "nonsense", '"'):
        value = f"{rest}, for=10.7.7.7"
        assert await seen_as(standard, ("forwarded", value)) == "10.7.7.7"


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("[2001:db8::5]:80", "2001:db8::5"),
        (" ::ffff:203.0.113.5 ", "203.0.113.5"),
        ("10.1.1.1", "10.1.1.1"),
        ("203.0.113.5, 6.6.6.6", PROXY),
        ("unknown", PROXY),
        ("", PROXY),
    ],
)
async def test_x_real_ip_is_one_address(
    settings: Settings, clock: MovableClock, value: str, seen: str
) -> None:
    async with World(behind(settings, "x-real-ip"), clock) as world:
        assert await seen_as(world, ("x-real-ip", value)) == seen


async def test_two_lines_of_x_real_ip_are_believed_neither(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(behind(settings, "x-real-ip"), clock) as world:
        two = [("x-real-ip", "203.0.113.5"), ("x-real-ip", "6.6.6.6")]
        assert await seen_as(world, *two) == PROXY


OF_EACH = {
    "x-forwarded-for": "203.0.113.5",
    "forwarded": "for=203.0.113.5",
    "x-real-ip": "203.0.113.5",
}


@pytest.mark.parametrize("header", OF_EACH)
async def test_the_others_are_the_client_s_own_words(
    settings: Settings, clock: MovableClock, header: str
) -> None:
    """A proxy that writes one of them hands on the others as the client sent them."""
    lies = [(name, value.replace("203.0.113.5", "6.6.6.6")) for name, value in OF_EACH.items()]
    lies = [(name, value) for name, value in lies if name != header]
    async with World(behind(settings, header), clock) as world:
        assert await seen_as(world, *lies, (header, OF_EACH[header])) == "203.0.113.5"
        assert await seen_as(world, *lies) == PROXY
        assert await seen_as(world, (header, OF_EACH[header]), client=CLIENT) == CLIENT


def told(logs: list[Any]) -> list[tuple[str, str]]:
    return [
        (line["event"], line.get("peer"))
        for line in logs
        if line["event"] in {"forwarded_by_a_stranger", "forwarded_otherwise"}
    ]


@pytest.mark.parametrize("header", OF_EACH)
async def test_a_proxy_that_is_not_listed_is_named_once(
    settings: Settings, clock: MovableClock, header: str
) -> None:
    for proxies in ([], PROXIES):
        chosen = settings.model_copy(update={"trusted_proxies": proxies})
        async with World(chosen, clock) as world:
            with capture_logs() as logs:
                for _ in range(3):
                    line = (header, OF_EACH[header])
                    assert await seen_as(world, line, client="192.168.7.7") == "192.168.7.7"
        assert told(logs) == [("forwarded_by_a_stranger", "192.168.7.7")]
        assert "KEYFOB_TRUSTED_PROXIES" in str(logs)


async def test_a_client_s_own_address_is_not_written_down(world: World) -> None:
    with capture_logs() as logs:
        await seen_as(world, ("x-forwarded-for", "6.6.6.6"), client="9.9.9.9")

    assert told(logs) == [("forwarded_by_a_stranger", "a public address")]
    assert "9.9.9.9" not in str(logs)
    assert "6.6.6.6" not in str(logs)


async def test_a_proxy_that_writes_another_header_is_told_of_once(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(behind(settings, "x-forwarded-for"), clock) as world:
        with capture_logs() as logs:
            for _ in range(3):
                await seen_as(world, ("x-real-ip", "203.0.113.5"))
            await seen_as(world, ("x-forwarded-for", "203.0.113.5"))

    assert told(logs) == [("forwarded_otherwise", PROXY)]
    assert "KEYFOB_FORWARDED_HEADER" in str(logs)


async def test_a_peer_that_is_no_address_is_not_taken_for_a_unix_socket(
    settings: Settings, clock: MovableClock
) -> None:
    chosen = settings.model_copy(update={"host": "unix:/run/keyfob.sock"})
    async with World(chosen, clock) as world:
        line = ("x-forwarded-for", "203.0.113.5")
        assert await seen_as(world, line, client="no address") == "None"


async def test_behind_a_unix_socket_whoever_may_open_it_is_the_proxy(
    settings: Settings, clock: MovableClock
) -> None:
    for host, seen in (("unix:/run/keyfob.sock", "203.0.113.5"), ("127.0.0.1", "None")):
        chosen = settings.model_copy(update={"host": host})
        async with World(chosen, clock) as world:
            line = ("x-forwarded-for", "6.6.6.6, 203.0.113.5")
            assert await seen_as(world, line, client=None) == seen
