"""Keys that sign ID tokens change while apps that cache them verify what their users bring."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import jwt
from bench.harness.cluster import temporary

from drills.harness.apps import Member
from drills.harness.crowd import FULL, Size
from drills.harness.instances import SETTINGS, running
from drills.harness.outcome import Outcome
from drills.harness.variants import command
from drills.harness.wire import HOST
from drills.scenes.apps import acknowledged, at_work, members_of

_AHEAD = 4  # seconds that a key is published before it signs; an hour by default


class _Reader:
    """The part of an app that reads ID tokens, by PyJWT's client for keys.

    It keeps the key set for as long as the answer allowed, and looks for a key that it does not
    know at most every thirty seconds, as PyJWT does.
    """

    def __init__(self, member: Member, *, cache_keys: bool) -> None:
        self._member = member
        self._cache_keys = cache_keys
        self.kids: dict[str, str] = {}  # a token of each key
        self.verified = 0
        self.wrong: list[str] = []

    async def read(self) -> None:
        """Verify what the app is given, and a token of each earlier key; until cancelled."""
        client = await self._client()
        while True:
            await asyncio.sleep(0.05)
            if not self._member.given:
                continue
            token = str(self._member.given[-1]["id_token"])
            self.kids.setdefault(str(jwt.get_unverified_header(token)["kid"]), token)
            for each in {token, *self.kids.values()}:
                await asyncio.to_thread(self._verify, client, each)

    async def _client(self) -> jwt.PyJWKClient:
        answer = await self._member.server.get("/.well-known/jwks.json")
        max_age = int(answer.headers["cache-control"].rpartition("=")[2])
        url = f"http://{HOST}:{self._member.port}/.well-known/jwks.json"
        return jwt.PyJWKClient(url, cache_keys=self._cache_keys, lifespan=max_age)

    def _verify(self, client: jwt.PyJWKClient, token: str) -> None:
        try:
            jwt.decode(
                token,
                client.get_signing_key_from_jwt(token),
                algorithms=["RS256"],
                audience=self._member.app.id,
                issuer=str(SETTINGS["ISSUER"]),
                leeway=5,
            )
        except jwt.PyJWTError as fault:
            self.wrong.append(f"an app refused an ID token: {fault}")
        else:
            self.verified += 1


async def app_keys_rotated(size: Size) -> Outcome:
    """`keyfob keys rotate` runs while people sign in to apps that cache the keys of ID tokens.

    Each app believes each ID token at once, and those of earlier keys until they expire: a key is
    published before it signs.
    """
    rotations = 1 if size.requests < FULL.requests else 4
    with temporary() as cluster:
        dsn = cluster.dsn()
        async with running(dsn, WORKERS=2, KEY_PUBLISH_AHEAD=_AHEAD) as server:
            members = await members_of(server.port, size.clients // 2)
            async with at_work(members), _readers(members) as readers:
                await acknowledged(members, size.requests // 4)
                for _ in range(rotations):
                    await command(dsn, "keys", "rotate", KEY_PUBLISH_AHEAD=_AHEAD)
                    await asyncio.sleep(_AHEAD + 1)
                await acknowledged(members, size.requests // 4)
                await asyncio.sleep(1)  # the newest are read, too
    kids = {kid for reader in readers for kid in reader.kids}
    few = [f"only {len(kids)} keys signed"] if len(kids) < rotations + 1 else []
    return Outcome(
        did=f"rotated the keys of ID tokens {rotations} x while people signed in to an app",
        acknowledged=sum(member.acknowledged for member in members),
        refused=sum(member.refused for member in members),
        lost=[one for reader in readers for one in reader.wrong],
        unexpected=[one for member in members for one in member.wrong] + few,
        notes=[
            f"{sum(reader.verified for reader in readers)} ID tokens of {len(kids)} keys were "
            f"verified, each key published {_AHEAD} s ahead"
        ],
    )


@asynccontextmanager
async def _readers(members: Sequence[Member]) -> AsyncIterator[list[_Reader]]:
    """Give each app a reader; every other one remembers single keys, too."""
    readers = [
        _Reader(member, cache_keys=bool(number % 2)) for number, member in enumerate(members)
    ]
    tasks = [asyncio.create_task(reader.read()) for reader in readers]
    try:
        yield readers
    finally:
        for task in tasks:
            if task.done():
                task.result()  # it only ends by a fault of ours
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
