"""Keys that change while what they made is used: signing keys, and the secret key."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import jwt
from bench.harness.cluster import temporary

from drills.harness.crowd import FULL, Size, crowd
from drills.harness.judging import Story
from drills.harness.ledger import Account, Ledger
from drills.harness.outcome import Outcome
from drills.harness.people import Visitor
from drills.harness.truth import lost_promises
from drills.harness.variants import SHARED, command, variant
from drills.harness.wire import HOST, Wire

# Seconds that a key is published before it signs. An hour by default; what must hold is that a
# verifier fetches the JWKS more often, as its Cache-Control asks.
_AHEAD = 4


class Follower:
    """Refreshes at one instance, shows the token to another, and verifies it as a service would.

    The verifier is PyJWT's, with the JWKS cached for as long as the response allowed; it never asks
    out of turn, for PyJWT does so at most every thirty seconds.
    """

    def __init__(self, ledger: Ledger, signs: int, verifies: int, *, cache_keys: bool) -> None:
        self._visitor = Visitor(ledger, Wire(signs), 0)
        self._ledger = ledger
        self._elsewhere = Wire(verifies)
        self._url = f"http://{HOST}:{verifies}/.well-known/jwks.json"
        self._cache_keys = cache_keys
        self.wrong: list[str] = []
        self.kids: dict[str, str] = {}  # a token of each key

    async def follow(self) -> None:
        """Go on until cancelled."""
        account = Account()
        self._ledger.accounts.append(account)
        if not await self._visitor.register(account):
            raise RuntimeError("nobody can sign up")
        session = account.sessions[-1]
        client = await self._client()
        while True:
            await self._visitor.refresh(session)
            token = session.access_token
            await self._ledger.ask(self._elsewhere, "me elsewhere", ("GET", "/me"), token=token)
            kid = str(jwt.get_unverified_header(token)["kid"])
            self.kids.setdefault(kid, token)
            for held in self.kids.values():
                await asyncio.to_thread(self._verify, client, held)
            await asyncio.sleep(0.02)

    async def _client(self) -> jwt.PyJWKClient:
        answer = await self._elsewhere.ask("GET", "/.well-known/jwks.json")
        max_age = int(answer.headers["cache-control"].rpartition("=")[2])
        return jwt.PyJWKClient(self._url, cache_keys=self._cache_keys, lifespan=max_age)

    def _verify(self, client: jwt.PyJWKClient, token: str) -> None:
        try:
            key = client.get_signing_key_from_jwt(token)
            jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                audience="keyfob",
                issuer=str(SHARED["ISSUER"]),
                leeway=5,
            )
        except jwt.PyJWTError as fault:
            self.wrong.append(f"elsewhere: {fault}")


async def keys_rotated(size: Size) -> Outcome:
    """`keyfob keys rotate` runs several times under load, at last twice at once.

    Every token is believed at once by the other instance, and by a service that follows the JWKS,
    before, while and after its key signs; tokens of retiring keys are believed until they expire.
    """
    story = Story("rotated the signing key", size, may_refuse=False, must_refuse=False)
    rotations = 1 if size.requests < FULL.requests else 4
    with temporary() as cluster:
        dsn, settings = cluster.dsn(), {"KEY_PUBLISH_AHEAD": _AHEAD}
        async with (
            variant(dsn, settings) as one,
            variant(dsn, settings) as two,
        ):
            ports = [one.port, two.port]
            async with (
                crowd(story.ledger, ports, size.clients // 2) as people,
                _followers(story.ledger, ports) as followers,
            ):
                await people.acknowledged(size.requests // 2)
                for _ in range(rotations):
                    story.faults_at.append(time.monotonic())
                    await _rotate(dsn)
                    await asyncio.sleep(_AHEAD + 1)
                await asyncio.gather(_rotate(dsn), _rotate(dsn))
                await asyncio.sleep(_AHEAD + 1)
                await people.acknowledged(size.requests // 2)
            lost = await lost_promises(story.ledger, dsn, two.port)
    seen = {kid for follower in followers for kid in follower.kids}
    story.unexpected += [fault for follower in followers for fault in follower.wrong]
    if len(seen) < rotations + 2:
        story.unexpected.append(f"only {len(seen)} keys signed")
    story.notes.append(f"{len(seen)} keys signed, each published {_AHEAD} s ahead")
    return story.outcome(lost)


async def _rotate(dsn: str) -> None:
    await command(dsn, "keys", "rotate", KEY_PUBLISH_AHEAD=_AHEAD)


@asynccontextmanager
async def _followers(ledger: Ledger, ports: list[int]) -> AsyncIterator[list[Follower]]:
    """Two in each direction: one remembers the JWKS only, one its keys too."""
    one, two = ports
    followers = [
        Follower(ledger, signs, verifies, cache_keys=remembers)
        for signs, verifies in ((one, two), (two, one))
        for remembers in (False, True)
    ]
    tasks = [asyncio.create_task(follower.follow()) for follower in followers]
    try:
        yield followers
    finally:
        for task in tasks:
            if task.done():
                task.result()  # it only ends by a fault of ours
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


_OLD, _NEW = "a secret key in use until now by everybody", "a secret key that comes after the other"

# What each instance is told in turn, one after the other.
_STEPS = (f"{_OLD},{_NEW}", f"{_NEW},{_OLD}", _NEW)


async def secret_key_rotated(size: Size) -> Outcome:
    """`KEYFOB_SECRET_KEY` changes as the runbook says, one of two instances restarted at a time.

    `old,new`, then `new,old`, then `new`. Between any two restarts people refresh at one instance
    and at the other in turn, and ask for links: no token is taken for a forged one, no mail is
    given up, and `keyfob doctor` is well after each step.
    """
    story = Story("changed the secret key", size, may_refuse=False, must_refuse=False)
    with temporary() as cluster:
        dsn, wires = cluster.dsn(), [Wire(0), Wire(0)]
        visitors = [Visitor(story.ledger, wires[0], seed) for seed in range(size.clients)]
        async with AsyncExitStack() as first, AsyncExitStack() as second:
            running = (first, second)
            for place in (0, 1):
                wires[place] = await _start(running[place], dsn, _OLD)
            story.ledger.accounts += [Account() for _ in visitors]
            for ring in _STEPS:
                for place in (0, 1):
                    await _travel(story.ledger, visitors, wires)
                    await running[place].aclose()
                    story.faults_at.append(time.monotonic())
                    wires[place] = await _start(running[place], dsn, ring)
                await _travel(story.ledger, visitors, wires)
                story.unexpected += await _settle(dsn, ring)
            lost = await lost_promises(story.ledger, dsn, wires[0].port)
    return story.outcome(lost)


async def _start(stack: AsyncExitStack, dsn: str, ring: str) -> Wire:
    server = await stack.enter_async_context(variant(dsn, {"SECRET_KEY": ring}))
    return Wire(server.port)


async def _travel(ledger: Ledger, visitors: Sequence[Visitor], wires: Sequence[Wire]) -> None:
    """Have everybody sign up or in, and refresh and ask for a link at both instances in turn."""
    for visitor, account in zip(visitors, ledger.accounts, strict=False):
        for visitor.wire in (*wires, *wires):
            if not account.sessions:
                await visitor.register(account)
            else:
                await visitor.refresh(account.sessions[-1])
                await visitor.ask_me(account.sessions[-1])
        asked = ("POST", "/recover/request")
        await ledger.ask(visitor.wire, "link", asked, body={"email": account.email})


async def _settle(dsn: str, ring: str) -> list[str]:
    """Do what the runbook says after a step; return what is not well then."""
    if ring.startswith(_NEW):
        await command(dsn, "keys", "rotate", "--reseal", SECRET_KEY=ring)
    if ring == _NEW:
        await command(dsn, "audit", "begin-anew", SECRET_KEY=ring)
    wrong = [f"{mail['kind']}: {mail}" for mail in await _given_up(dsn, ring)]
    for finding in await command(dsn, "doctor", SECRET_KEY=ring):
        if finding["part"] in {"signing keys", "secret keys", "audit chain"}:
            wrong += [] if finding["well"] else [f"{finding['part']}: {finding['says']}"]
    return wrong


async def _given_up(dsn: str, ring: str) -> list[dict[str, object]]:
    given_up: list[dict[str, object]] = await command(
        dsn, "mail", "list", "--failed", SECRET_KEY=ring
    )
    return given_up
