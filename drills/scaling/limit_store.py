"""Redis as the store of limits: exact across instances, and failing closed while it is away."""

import asyncio
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from bench.harness.cluster import HOST, free_port, temporary

from drills.harness.crowd import Size
from drills.harness.instances import LONGEST_RECOVERY
from drills.harness.judging import Story
from drills.harness.ledger import Account, Session
from drills.harness.outcome import Outcome
from drills.harness.people import Visitor
from drills.harness.wire import Wire
from drills.scaling.fleet import fleet
from drills.scaling.programs import NotInstalled, find, running, scratch

_ALLOWED = 40

# Three times as many, at once: a count that is not exact lets more through.
_ASKED = 3 * _ALLOWED
_ABREAST = 16

_RULES: dict[str, object] = {"LIMITS": "on", "LIMIT_ME": f"{_ALLOWED}/hour"}

# Seconds between two requests of who waits for Redis to come back.
_PAUSE = 0.05

_LIMITED = ("GET", "/me/sessions")

Start = Callable[[], AbstractContextManager["subprocess.Popen[bytes]"]]


async def redis(size: Size) -> Outcome:
    """Two instances count in one Redis; it is killed, and started again.

    Limits fail closed: what is limited there is refused with 503 while nobody can count. What is
    not (`POST /refresh`, `GET /me`) is served on.
    """
    story = Story(
        "two instances with their limits in one Redis, which was killed and started again", size
    )
    asker = _Asker(story)
    try:
        program, port = find("redis-server", "redis-server"), free_port()
        with temporary() as cluster, scratch() as folder:
            store = _redis(program, folder, port)
            settings = {**_RULES, "LIMIT_STORE": f"redis://{HOST}:{port}"}
            with store() as server:
                async with fleet(cluster.dsn(), 2, **settings) as members:
                    await asker.count([member.port for member in members])
                    story.faults_at.append(time.monotonic())
                    server.kill()
                    await asker.go_on(size.fault_seconds)
                    with store():
                        story.back_at = time.monotonic()
                        await asker.wait()
    except NotInstalled as why:
        return Outcome(did=story.did, unavailable=str(why))
    return story.outcome([])


class _Asker:
    """One user, who asks too often, before Redis is killed, while it is away, and after."""

    def __init__(self, story: Story) -> None:
        self.ledger = story.ledger
        self.wrong = story.unexpected
        self.notes = story.notes
        self._account = Account()
        self._wire = Wire(0)

    @property
    def _session(self) -> Session:
        return self._account.sessions[0]

    async def count(self, ports: Sequence[int]) -> None:
        """Ask both instances at once, more often than is allowed; exactly so many may pass."""
        self._wire = Wire(ports[0])
        await Visitor(self.ledger, self._wire, 0).register(self._account)
        wires = [Wire(ports[number % len(ports)]) for number in range(_ABREAST)]
        left = iter(range(_ASKED))

        async def ask(wire: Wire) -> Counter[int]:
            seen = Counter([await self._ask(wire, (429,)) for _ in left])
            wire.close()
            return seen

        seen = sum(await asyncio.gather(*map(ask, wires)), Counter[int]())
        self.notes.append(
            f"of {_ASKED} requests at once to both instances, {seen[200]} were let through"
        )
        if seen != {200: _ALLOWED, 429: _ASKED - _ALLOWED}:
            self.wrong.append(f"of {_ASKED} requests, of which {_ALLOWED} may pass: {dict(seen)}")

    async def go_on(self, seconds: float) -> None:
        """Ask on while nobody can count: no limited request passes, and all others do."""
        until = time.monotonic() + seconds
        visitor = Visitor(self.ledger, self._wire, 0)
        while time.monotonic() < until:
            if (status := await self._ask(self._wire, ())) != 503:
                self.wrong.append(f"a limited request got {status} while nobody counted")
            if await visitor.log_in(self._account):
                self.wrong.append("somebody signed in while nobody counted")
            if not await visitor.refresh(self._session) or not await visitor.ask_me(self._session):
                self.wrong.append("a request without a limit was refused")

    async def wait(self) -> None:
        """Ask until a limited request passes; a Redis that keeps nothing on disk counts anew."""
        until = time.monotonic() + 2 * LONGEST_RECOVERY
        while await self._ask(self._wire, (429,)) != 200 and time.monotonic() < until:
            await asyncio.sleep(_PAUSE)

    async def _ask(self, wire: Wire, expected: tuple[int, ...]) -> int:
        token = self._session.access_token
        answer = await self.ledger.ask(wire, "limited", _LIMITED, token=token, expected=expected)
        return answer.status if answer else 0


def _redis(program: str, folder: Path, port: int) -> Start:
    """Return what starts a Redis that keeps nothing on disk."""
    command = [program, "--bind", HOST, "--port", str(port), "--save", "", "--appendonly", "no"]
    return lambda: running(command, folder, port)
