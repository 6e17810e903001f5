"""Nothing that a client sends holds the event loop: each shape, in each header and field.

An expression of quadratic time over 32 KiB of an Accept-Encoding took seven seconds, and everybody
waited. The bound is generous; `make bench` measures it closely, and over the wire.
"""

from collections.abc import AsyncIterator, Iterable
from ipaddress import ip_network
from itertools import groupby
from urllib.parse import unquote

import pytest
from bench.harness import hostile
from bench.harness.hostile import Hostile
from tests.fixtures.asgi import RawAnswer, call_raw
from tests.fixtures.clock import MovableClock
from tests.fixtures.pauses import longest_pause
from tests.fixtures.world import SignedIn, World

from keyfob.authority.models import Role
from keyfob.settings import Settings

pytestmark = pytest.mark.slow

LONGEST = 1.0  # seconds of a busy machine; what was quadratic took up to seven
# Where one of these is hostile, little else is read: each is tried alone, at few routes.
END_A_REQUEST = {
    "authorization",
    "content-encoding",
    "content-type",
    "host",
    "transfer-encoding",
}
ENOUGH = {"/me", "/me/sessions", "/refresh", "/login", "/register"}


@pytest.fixture
async def proxied(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    """A world that believes forwarded headers, and takes loopback for one proxy more."""
    proxies = [ip_network("203.0.113.0/24"), ip_network("127.0.0.0/8")]
    async with World(settings.model_copy(update={"trusted_proxies": proxies}), clock) as world:
        await world.make_user("keeper@example.com", role=Role.ADMIN)  # so that root is not the last
        await world.make_user("root@example.com", role=Role.ADMIN)
        yield world


async def ask(world: World, caller: SignedIn, request: Hostile) -> RawAnswer:
    headers = {
        "authorization": f"Bearer {caller.access}",
        "content-type": "application/json",
        **request.headers,
    }
    return await call_raw(
        world,
        request.method,
        unquote(request.path),
        query=request.query.encode(),
        headers=[(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        pieces=[request.body] if request.body is not None else (),
        host=None if "host" in headers else b"keyfob.test",
    )


async def pauses(world: World, requests: Iterable[Hostile]) -> dict[str, float]:
    """Send requests, and return those that blocked the loop too long, with the seconds."""
    found = {}
    for (method, path), those in groupby(requests, lambda one: (one.method, one.path)):
        caller = await world.log_in("root@example.com")  # some of them sign out
        for request in those:
            seconds, answer = await longest_pause(ask(world, caller, request))
            if answer.status == 401 and "authorization" not in request.headers:
                caller = await world.log_in("root@example.com")
                seconds, answer = await longest_pause(ask(world, caller, request))
            assert answer.status != 500, (method, path, request.what)
            if seconds > LONGEST:
                found[f"{method} {path} {request.what}"] = round(seconds, 2)
    return found


def at_once(requests: Iterable[Hostile]) -> Iterable[Hostile]:
    """Put each shape into all headers of one request: here the head is not limited."""
    by_shape: dict[str, dict[str, str]] = {}
    for request in requests:
        ((header, text),) = request.headers.items()
        if header in END_A_REQUEST:
            if request.path in ENOUGH:
                yield request
        else:
            by_shape.setdefault(request.what.partition(": ")[2], {})[header] = text
            method, path = request.method, request.path
    for shape, headers in by_shape.items():
        yield Hostile(f"headers: {shape}", method, path, headers=headers)


async def test_no_header_of_any_operation_holds_the_loop(proxied: World) -> None:
    document = proxied.app.openapi()
    requests = (
        request
        for method, path, _ in [*hostile.operations(document), *hostile.pages()]
        for request in at_once(hostile.in_headers(method, path))
    )

    assert await pauses(proxied, requests) == {}


def once_each(requests: Iterable[Hostile]) -> Iterable[Hostile]:
    """Leave out the parameters of a query that another operation has, too, and paths of none."""
    tried: dict[str, str] = {}
    for request in requests:
        part = request.what.partition(":")[0]
        if tried.setdefault(part, request.path) == request.path or part == "the query":
            yield request


async def test_no_query_and_no_path_holds_the_loop(proxied: World) -> None:
    document = proxied.app.openapi()
    requests = (
        request
        for method, path, operation in hostile.operations(document)
        for request in hostile.in_address(method, path, operation)
    )

    assert await pauses(proxied, once_each(requests)) == {}


async def test_no_body_and_no_field_holds_the_loop(proxied: World) -> None:
    document = proxied.app.openapi()
    requests = (
        request
        for method, path, operation in hostile.operations(document)
        for request in hostile.in_body(method, path, operation, document, beyond=False)
    )

    assert await pauses(proxied, requests) == {}
