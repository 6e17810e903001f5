"""Mails where the database is reached through PgBouncer in transaction mode alone."""

import pytest
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.pgbouncer import find_program, pgbouncer_before
from tests.fixtures.world import World

from keyfob.mail.mails import FactorsReset
from keyfob.mail.models import Recipient
from keyfob.mail.service import Mail
from keyfob.settings import Settings

pytestmark = pytest.mark.skipif(find_program() is None, reason="there is no pgbouncer here")


async def test_two_workers_send_each_mail_once(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    with pgbouncer_before(settings.dsn, sessions=4) as dsn:
        behind = settings.model_copy(
            update={"database_url": SecretStr(dsn), "database_pooler": "transaction"}
        )
        async with World(behind, clock) as one, World(behind, clock) as other:
            for number in range(20):
                world = other if number % 2 else one
                async with world.db.begin() as tx:
                    to = Recipient(f"person{number}@example.com")
                    await world.service(Mail).send(tx, to, FactorsReset())
            await mailbox.settled(one)

    assert sorted(mail.to for mail in mailbox.mails) == sorted(
        f"person{number}@example.com" for number in range(20)
    )
