"""Shared fixtures of the tests of mail."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.fixtures.world import World

from keyfob.mail.mails import Content, Recover, read_content
from keyfob.mail.models import Recipient
from keyfob.mail.service import Mail

TOKEN = "kfl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
ADA = Recipient("ada@example.com")

Send = Callable[..., Any]


@pytest.fixture
def send(world: World) -> Send:
    """Write one mail to the outbox, as a change would."""

    async def write(kind: type[Content] = Recover, to: Recipient = ADA, **told: Any) -> None:
        content = read_content(kind.template, {"token": TOKEN, **told})
        async with world.db.begin() as tx:
            await world.service(Mail).send(tx, to, content)

    return write
