"""The longest that one request holds the event loop, whatever is hostile in it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from operator import itemgetter

import uvloop

from bench.harness import figures, hostile, servers
from bench.harness.hostile import Hostile
from bench.harness.load import Answer, Connection, request

_LINE = 50  # ms
_DOUBTFUL = 0.02  # seconds; what takes longer is looked at again, as it may be the machine's
_LOOKS = 5
_WORST = 10  # of all that were sent; these are measured in each round
_LIVE = request("GET", "/health/live")

# Loopback may name any hop, and is one proxy more wherever it stands.
_SETTINGS = {"BCRYPT_COST": 4, "TRUSTED_PROXIES": "127.0.0.0/8"}


def run(report: figures.Report, dsn: str, rounds: int, _: float) -> None:
    with servers.keyfob(dsn, **_SETTINGS) as ours:
        sent, worst, rounds_of = uvloop.run(_measure(ours.port, rounds))
    report.add(
        "the event loop held by one request, longest",
        rounds_of,
        _LINE,
        f"{sent} hostile requests; worst: {worst}",
        at_most=True,
        unit=" ms",
    )


async def _measure(port: int, rounds: int) -> tuple[int, str, list[float]]:
    """Send everything once, and the worst again in each round."""
    attacker = Attacker(port)
    sent = 0
    worst: list[tuple[float, Hostile]] = []  # and no more: all together they are gigabytes
    async for pause, one in attacker.try_all():
        sent += 1
        worst = sorted([*worst, (pause, one)], key=itemgetter(0), reverse=True)[:_WORST]
    again = [max([await attacker.hold(one) for _, one in worst]) * 1000 for _ in range(rounds)]
    _, first = worst[0]
    return sent, f"{first.method} {first.path[:60]}, {first.what}", again


@dataclass
class Attacker:
    """Sends what is hostile on one connection, and looks on another how long nobody is answered."""

    port: int
    token: str = ""
    asking: Connection = field(init=False)
    looking: Connection = field(init=False)

    def __post_init__(self) -> None:
        self.asking, self.looking = (Connection(servers.HOST, self.port) for _ in range(2))

    async def try_all(self) -> AsyncIterator[tuple[float, Hostile]]:
        """Give the pause of each request, for all operations of the service."""
        document = (await self.looking.send(request("GET", "/openapi.json"))).json()
        tried = [*hostile.operations(document), *hostile.pages()]
        # What signs out comes last: each sign-in more is one more to list and to export.
        for method, path, operation in sorted(tried, key=lambda each: "logout" in each[1]):
            await self._sign_in()
            for one in _all_of(method, path, operation, document):
                yield await self.hold(one), one

    async def hold(self, one: Hostile) -> float:
        """Return how long a request holds the loop, in seconds: the least of some looks.

        It holds it no longer than it takes to be answered, and most are answered at once.
        """
        before = time.perf_counter()
        answer = await self._ask(one)
        least = time.perf_counter() - before
        if answer and answer.status == 401 and "authorization" not in one.headers:
            await self._sign_in()  # one before has signed out
            least = await self._look(one)
        for _ in range(_LOOKS):
            if least > _DOUBTFUL:
                least = min(least, await self._look(one))
        return least

    async def _look(self, one: Hostile) -> float:
        """Send it, and return the longest that somebody else waited for an answer meanwhile."""
        asked = asyncio.create_task(self._ask(one))
        longest = 0.0
        while not asked.done():
            before = time.perf_counter()
            await self.looking.send(_LIVE)
            longest = max(longest, time.perf_counter() - before)
        await asked
        return longest

    async def _ask(self, one: Hostile) -> Answer | None:
        try:
            return await self.asking.send(_wire(one, self.token))
        except (OSError, EOFError, asyncio.LimitOverrunError):
            # Closed without an answer, or a Link to the next page that repeats a whole query.
            self.asking.close()
            return None

    async def _sign_in(self) -> None:
        email, password = servers.ADMIN
        wire = request("POST", "/login", body={"email": email, "password": password})
        self.token = (await self.looking.send(wire)).json()["access_token"]


def _all_of(
    method: str, path: str, operation: hostile.Json, document: hostile.Json
) -> Iterator[Hostile]:
    yield from hostile.in_headers(method, path)
    yield from hostile.in_address(method, path, operation)
    yield from hostile.in_body(method, path, operation, document, beyond=False)


def _wire(one: Hostile, token: str) -> bytes:
    headers = {
        "host": "bench",
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        **one.headers,
    }
    if one.body is not None:
        headers["content-length"] = str(len(one.body))
    target = f"{one.path}?{one.query}" if one.query else one.path
    head = [f"{one.method} {target} HTTP/1.1", *(f"{name}: {v}" for name, v in headers.items())]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + (one.body or b"")
