"""A service with a resource, a client of it, and a second worker."""

from collections.abc import AsyncIterator

import pytest
from tests.fixtures.certificates import Certificate, make_certificate
from tests.fixtures.clock import MovableClock
from tests.fixtures.documents import publish
from tests.fixtures.far_end import FarEnd, far_end
from tests.fixtures.holder import Holder
from tests.fixtures.programs import Program, make_program, make_resource
from tests.fixtures.world import World

from keyfob.settings import Settings


@pytest.fixture
async def program(world: World) -> Program:
    """A client that may ask for tokens of its own, for one resource."""
    await make_resource(world)
    return await make_program(world)


@pytest.fixture
async def other(settings: Settings, clock: MovableClock, world: World) -> AsyncIterator[World]:
    """A second worker beside `world`."""
    async with World(settings, clock) as other:
        yield other


@pytest.fixture
async def holder(world: World) -> Holder:
    """The holder of a key, who has heard a nonce."""
    holder = Holder(world)
    await holder.learn()
    return holder


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("documents"))


@pytest.fixture
async def end(certificate: Certificate) -> AsyncIterator[FarEnd]:
    async with far_end(certificate.server_side) as end:
        end.url = f"https://localhost:{end.port}/client.json"
        end.headers = ["Content-Type: application/json"]
        publish(end)
        yield end
