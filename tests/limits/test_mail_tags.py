"""Tags of a mailbox, of which anybody can invent any number, do not fill it."""

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import PASSWORD, World

from keyfob.settings import Settings

TAGS = [f"box+{number}@example.com" for number in range(30)]
OWNER = "box+mine@example.com"
# The limits of routes are another matter: here the mails alone are counted.
LIMITS = {
    "limits": "on",
    **dict.fromkeys(("limit_register", "limit_recover", "limit_verify_email"), "10000/minute"),
}
# Within the cap, and as many beyond it as there are notices in an hour.
MOST = 5 + 10


def world_of(settings: Settings, clock: MovableClock, **changes: object) -> World:
    return World(settings.model_copy(update={**LIMITS, **changes}), clock)


async def register(world: World, email: str) -> None:
    body = {"email": email, "password": PASSWORD}
    (await world.api.post("/register", json=body)).raise_for_status()


async def ask(world: World, path: str, email: str) -> None:
    (await world.api.post(path, json={"email": email})).raise_for_status()


@pytest.mark.parametrize("mode", ["optional", "required"])
async def test_sign_ups_with_many_tags_send_no_more_links_than_one_mailbox_gets(
    mailbox: Mailbox, settings: Settings, clock: MovableClock, mode: str
) -> None:
    async with world_of(settings, clock, verify_email=mode) as world:
        for tag in TAGS:
            await register(world, tag)
        await mailbox.settled(world)
        assert 5 <= len(mailbox.mails) <= MOST
        mailbox.mails.clear()

        # And the mailbox's own address is let in, whatever was done with its tags.
        await register(world, "box@example.com")
        await mailbox.next("box@example.com", subject="Confirm your e-mail address")


@pytest.mark.parametrize("path", ["/recover/request", "/verify-email/request"])
async def test_accounts_with_many_tags_are_sent_no_more_links_than_one_mailbox_gets(
    mailbox: Mailbox, settings: Settings, clock: MovableClock, path: str
) -> None:
    async with world_of(settings, clock) as world:
        for tag in TAGS:
            await register(world, tag)
        for tag in TAGS:
            await ask(world, path, tag)
        await mailbox.settled(world)
        assert 5 <= len(mailbox.mails) <= MOST
        mailbox.mails.clear()

        await register(world, "box@example.com")
        await ask(world, path, "box@example.com")
        await mailbox.next("box@example.com")


async def test_recovery_at_a_tag_is_not_used_up_by_asking_often_or_for_nobody(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    async with world_of(settings, clock) as world:
        await register(world, OWNER)
        await register(world, TAGS[0])
        for tag in TAGS:  # one of them has an account
            await ask(world, "/recover/request", tag)
            await ask(world, "/recover/request", TAGS[0])
        await mailbox.settled(world)

        await ask(world, "/recover/request", OWNER)
        await mailbox.next(OWNER, subject="Choose a new password")


async def test_recovery_at_a_tag_that_is_proven_is_used_up_by_nobody(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    async with world_of(settings, clock) as world:
        await register(world, OWNER)
        await world.db.execute("UPDATE users SET email_verified_at = now()")
        for tag in TAGS:
            await register(world, tag)
            await ask(world, "/recover/request", tag)
        await mailbox.settled(world)

        await ask(world, "/recover/request", OWNER)
        await mailbox.next(OWNER, subject="Choose a new password")
