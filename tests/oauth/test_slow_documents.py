"""Whoever sends us to slow documents holds up no other app, whoever registered it."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from tests.fixtures.apps import App
from tests.fixtures.assertions import make_signer, public_jwk
from tests.fixtures.certificates import Certificate
from tests.fixtures.documents import app_of, status_of
from tests.fixtures.far_end import FarEnd, far_end
from tests.fixtures.programs import make_resource
from tests.fixtures.waiting import until
from tests.fixtures.world import World

from keyfob.core.outbound import Outbound
from keyfob.oauth.authorization import Authorization
from keyfob.settings import Settings

HERE, THERE = "198.51.100.9", "203.0.113.9"
_OF_ORIGIN = 10  # documents that one origin is asked for in a minute


@pytest.fixture
def settings(settings: Settings, certificate: Certificate) -> Settings:
    told = {
        "issuer": "http://localhost:8000/auth",
        "client_documents": True,
        "outbound_ca_file": certificate.path,
        "outbound_allow": ["127.0.0.1", "::1"],
    }
    return settings.model_copy(update=told)


@pytest.fixture
async def slow(certificate: Certificate) -> AsyncIterator[list[FarEnd]]:
    """Servers that do not answer, as many as somebody needs who wants all our connections."""
    hold = asyncio.Event()
    async with far_end(certificate.server_side) as one, far_end(certificate.server_side) as two:
        one.hold = two.hold = hold
        yield [one, two]
        hold.set()


@pytest.fixture
def app(world: World, end: FarEnd) -> App:
    return app_of(world, end)


async def hold_up(world: World, app: App, slow: list[FarEnd]) -> list[asyncio.Task[int]]:
    """Ask for slow documents from one address, until no more are asked for."""
    urls = [f"{one.url}?{number}" for one in slow for number in range(_OF_ORIGIN)]
    here = world.client(HERE)
    asked = [asyncio.create_task(status_of(app, here, client_id=url)) for url in urls]

    async def is_held_up() -> bool:
        return sum(len(one.asked) for one in slow) >= 4

    await until(is_held_up)
    return asked


async def test_another_document_is_read_meanwhile(
    world: World, app: App, slow: list[FarEnd]
) -> None:
    asked = await hold_up(world, app, slow)

    assert await status_of(app, world.client(THERE)) == 303

    assert sum(len(one.asked) for one in slow) == 4
    assert all(one.hold is not None and not one.hold.is_set() for one in slow)
    for one in asked:
        one.cancel()


async def test_keys_of_a_registered_client_are_read_meanwhile(
    world: World, app: App, slow: list[FarEnd], certificate: Certificate
) -> None:
    await make_resource(world)
    async with far_end(certificate.server_side) as keys:
        keys.body = json.dumps({"keys": [public_jwk("EdDSA", "one")]}).encode()
        signer = await make_signer(world, jwks_uri=keys.url)
        asked = await hold_up(world, app, slow)

        answer = await signer.show(signer.sign())

    assert answer.status_code == 200, answer.text
    for one in asked:
        one.cancel()


async def test_who_waits_for_slow_ones_cannot_have_others_wait_with_them(
    world: World, app: App, end: FarEnd, slow: list[FarEnd]
) -> None:
    """Threat: the request that all share is that of somebody who has no turn."""
    outbound = world.service(Authorization).asking.documents.outbound
    asked = await hold_up(world, app, slow)
    outbound.seconds = 2
    joined = [asyncio.create_task(status_of(app, world.client(HERE))) for _ in range(3)]
    await asyncio.sleep(0.1)

    there = await status_of(app, world.client(THERE))

    assert isinstance(outbound, Outbound)
    assert not any(one.done() for one in joined)
    assert (there, *[await one for one in joined]) == (303, 303, 303, 303)
    assert len(end.asked) == 1
    for one in asked:
        one.cancel()


async def test_what_was_not_asked_for_want_of_a_turn_is_not_counted(
    world: World, app: App, end: FarEnd, slow: list[FarEnd]
) -> None:
    outbound = world.service(Authorization).asking.documents.outbound
    asked = await hold_up(world, app, slow)
    outbound.seconds = 0.02
    here = world.client(HERE)
    told = [await status_of(app, here) for _ in range(_OF_ORIGIN + 1)]
    outbound.seconds = 5
    for one in slow:
        assert one.hold is not None
        one.hold.set()
    await asyncio.wait(asked)

    assert told == [503] * (_OF_ORIGIN + 1)
    assert (await status_of(app, here), len(end.asked)) == (303, 1)
