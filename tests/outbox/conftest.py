"""An outbox without the rest of the service, with a runner that tests start."""

from collections.abc import AsyncIterator, Callable

import pytest
from tests.fixtures.clock import MovableClock

from keyfob.core.database import Database
from keyfob.core.encryption import Box, SecretKeyring
from keyfob.outbox.running import OutboxRunner, Pace
from keyfob.outbox.service import Outbox

KEY = "the secret key of the outbox's tests"

MakeOutbox = Callable[..., Outbox]


@pytest.fixture
def make_outbox(db: Database, clock: MovableClock) -> MakeOutbox:
    """Return an outbox as another process would have it, with its own keyring."""

    def make(*keys: str) -> Outbox:
        return Outbox(db=db, box=Box(SecretKeyring(keys or [KEY]).derive("outbox")), clock=clock)

    return make


@pytest.fixture
def outbox(make_outbox: MakeOutbox) -> Outbox:
    return make_outbox()


@pytest.fixture
async def run(outbox: Outbox) -> AsyncIterator[Callable[..., OutboxRunner]]:
    """Start a runner of an outbox; all are stopped at the end."""
    runners: list[OutboxRunner] = []

    async def start(of: Outbox = outbox, **pace: float) -> OutboxRunner:
        runner = OutboxRunner(of, Pace(**{"poll": 0.05, **pace}))
        await runner.start()
        runners.append(runner)
        return runner

    yield start
    for runner in runners:
        await runner.stop()
