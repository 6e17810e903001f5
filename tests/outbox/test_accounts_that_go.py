"""A job whose account is deleted while it is done does not count as a fault."""

from tests.fixtures.logs import captured_log
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.waiting import until_somebody_waits
from tests.fixtures.world import World
from tests.own_account.moving import NEW, request

HOLD = "SELECT FROM users WHERE email_normal = $1 FOR UPDATE"
REMOVE = "DELETE FROM users WHERE email_normal = $1"


async def test_a_notice_of_a_sign_in_goes_with_its_account(world: World, mailbox: Mailbox) -> None:
    await world.make_user()
    await world.log_in()
    await mailbox.settled(world)
    await world.wiring.runner.stop()
    await world.log_in(by="203.0.113.9")

    with captured_log() as log:
        async with world.db.begin() as removal:
            await removal.execute(HOLD, "ada@example.com")
            await world.wiring.runner.start()
            await until_somebody_waits(world.db)
            await removal.execute(REMOVE, "ada@example.com")
        await mailbox.assert_none(world)
        await world.wiring.runner.stop()

    assert log.named("outbox_job_failed") == []


async def test_who_asks_for_an_address_waits_for_no_owner_who_goes(
    world: World, mailbox: Mailbox
) -> None:
    await world.make_user(NEW)
    await world.make_user()
    ada = await world.log_in()

    with captured_log() as log:
        async with world.db.begin() as removal:
            await removal.execute(HOLD, NEW.lower())
            await request(world, ada)
            assert (await mailbox.next()).tokens() == []
            await removal.execute(REMOVE, NEW.lower())
        await request(world, ada)
        assert (await mailbox.next()).tokens()

    assert log.named("outbox_job_failed") == []
