"""Each cause of a revocation, in the feed and in another service that uses our package."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from bench.harness.cluster import free_port
from tests.fixtures.clock import MovableClock
from tests.fixtures.feed import Follower, token_of_reader
from tests.fixtures.fuzzing import listening
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.programs import BILLING, ORDERS, make_program, own_api
from tests.fixtures.waiting import until
from tests.fixtures.world import World
from tests.revocation_feed.causes import CAUSES, MOST_SESSIONS, Scene

from keyfob.sessions.models import EndReason
from keyfob.settings import Settings
from keyfob.tokens.keyring import Keyring
from keyfob_client import AsyncVerifier, ClientSecret
from keyfob_client.asgi import KeyfobMiddleware, Send


@dataclass
class Service:
    """Another service, each of whose routes needs a token."""

    http: httpx.AsyncClient

    async def answers(self, token: str) -> int:
        """Call it with a token, and return the status of its answer."""
        answer = await self.http.get("/", headers={"Authorization": f"Bearer {token}"})
        return answer.status_code

    async def comes_to_answer(self, status: int, token: str) -> None:
        """Wait until it answers so."""

        async def does() -> bool:
            return await self.answers(token) == status

        await until(does, 60)


async def hello(_: object, __: object, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def settings(settings: Settings, port: int) -> Settings:
    issuer = f"http://127.0.0.1:{port}/auth"
    return settings.model_copy(update={"issuer": issuer, "max_sessions": MOST_SESSIONS})


@pytest.fixture
async def service(world: World, clock: MovableClock, port: int) -> AsyncIterator[Service]:
    """A service that is an API of orders and of bills, and takes tokens of sign-ins."""
    issuer = own_api(world)
    program = await make_program(world, scope=["revocations:read"], resources=[issuer])
    verifier = AsyncVerifier(
        issuer,
        audience=["keyfob", ORDERS, BILLING],
        client=ClientSecret(str(program.id), program.secret),
        clock=clock.timestamp,
        refresh_interval=0.1,
    )
    async with listening(world, port), verifier:
        transport = httpx.ASGITransport(KeyfobMiddleware(hello, verifier))
        async with httpx.AsyncClient(transport=transport, base_url=ORDERS) as http:
            yield Service(http)


async def test_what_ends_a_token_is_in_the_feed_and_seen_in_another_service(
    world: World, clock: MovableClock, mailbox: Mailbox, service: Service
) -> None:
    scene, kinds = await Scene.of(world, clock, mailbox), set()
    follower = Follower(world, await token_of_reader(world))
    for cause in CAUSES:
        ends = cause(scene)
        ending, lasting = await anext(ends)
        await follower.poll()
        for token in (ending, lasting):
            assert await service.answers(token) == 200, cause.__name__
            assert not follower.refuses(token), cause.__name__

        assert await anext(ends, None) is None

        for entry in await follower.poll():
            kinds |= entry.keys() & {"sid", "sub", "client_id", "jti"}
        assert follower.refuses(ending), cause.__name__
        assert not follower.refuses(lasting), cause.__name__
        await service.comes_to_answer(401, ending)
        assert await service.answers(lasting) == 200, cause.__name__

    assert kinds == {"sid", "sub", "client_id", "jti"}
    reasons = {row["reason"] for row in await world.login_log() if row["outcome"] == "ended"}
    assert reasons >= set(EndReason), "there is a cause for each reason why sessions end"


async def test_a_key_that_was_dropped_is_forgotten_by_another_service(
    world: World, service: Service
) -> None:
    await world.make_user()
    before = await world.log_in()
    assert await service.answers(before.access) == 200

    await world.service(Keyring).rotate(compromised=True)

    await service.comes_to_answer(401, before.access)
    await service.comes_to_answer(200, (await world.log_in()).access)
