"""What the tests of mail share."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.fixtures.world import World

from keyfob.mail.models import PAGES, Recipient, Template
from keyfob.mail.service import Mail

TOKEN = "kfl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
ADA = Recipient("ada@example.com", "en")

Send = Callable[..., Any]


@pytest.fixture
def send(world: World) -> Send:
    """Write one mail into the outbox, as a change would."""

    async def write(
        template: Template = Template.RECOVER, to: Recipient = ADA, **params: Any
    ) -> None:
        if template in PAGES:
            params.setdefault("token", TOKEN)
        if template is Template.ERASURE_PLANNED:
            params.setdefault("erase_at", world.service(Mail).clock.now() + timedelta(days=14))
        async with world.db.begin() as tx:
            await world.service(Mail).send(tx, to, template, params)

    return write
