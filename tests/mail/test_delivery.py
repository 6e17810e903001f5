"""From a change to a mail: exactly once, whatever fails on the way."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.killing import kill_outbox_runners
from tests.fixtures.logs import captured_log
from tests.fixtures.mailbox import Mailbox, serving
from tests.fixtures.world import World
from tests.mail.conftest import ADA, TOKEN, Send
from tests.mail.waiting_mails import rows, tried

from keyfob.core.secrets import new_id
from keyfob.mail import mails
from keyfob.mail.delivery import Delivery
from keyfob.mail.models import Recipient
from keyfob.mail.service import Mail
from keyfob.outbox.running import LEASE
from keyfob.outbox.service import Outbox
from keyfob.settings import Settings


async def test_a_mail_arrives_with_its_link(world: World, mailbox: Mailbox, send: Send) -> None:
    await send(address="203.0.113.7", device="Firefox on Linux")

    mail = await mailbox.next("ada@example.com", subject="Choose a new password")

    assert mail.sender == "keyfob@localhost"
    assert mail.tokens() == [TOKEN]
    assert mail.links() == [f"http://localhost:8000/auth/ui/recover#token={TOKEN}"]
    assert "203.0.113.7" in mail.text
    assert mail.links()[0] in mail.html
    await mailbox.assert_none(world)


async def test_an_account_is_told_in_its_language(
    world: World, mailbox: Mailbox, clock: MovableClock
) -> None:
    user_id = await world.make_user("ada@example.com", name="Ада")
    await world.db.execute("UPDATE users SET locale = 'ru'")
    async with world.db.begin() as tx:
        place = {"en": "London", "ru": "Лондон"}
        notice = mails.NewSignIn(address=None, device=None, place=place)
        await world.service(Mail).tell(tx, user_id, notice)

    mail = await mailbox.next("ada@example.com")

    assert mail.subject.startswith("Вход ")
    assert mail.text.startswith("Здравствуйте, Ада!\n")
    assert "Место: примерно Лондон\n" in mail.text
    assert clock.now().strftime("%Y-%m-%d %H:%M UTC") in mail.text
    assert mail.message["Content-Language"] == "ru"


async def test_who_is_gone_is_told_nothing(world: World, mailbox: Mailbox) -> None:
    async with world.db.begin() as tx:
        nobody = new_id(world.service(Mail).clock.now())
        await world.service(Mail).tell(tx, nobody, mails.FactorsReset())

    await mailbox.assert_none(world)


async def test_what_is_rolled_back_sends_nothing(world: World, mailbox: Mailbox) -> None:
    async def change_our_mind() -> None:
        async with world.db.begin() as tx:
            await world.service(Mail).send(tx, ADA, mails.Erased())
            raise KeyError

    with pytest.raises(KeyError):
        await change_our_mind()
    await mailbox.assert_none(world)


async def test_a_server_that_is_away_is_waited_for(
    settings: Settings, clock: MovableClock, mailbox: Mailbox, tmp_path: Path
) -> None:
    """The mail is queued, requests are as fast as ever, and it is sent once the server is back."""
    there, away = settings.smtp_url, SecretStr("smtp://127.0.0.1:1")
    async with World(settings.model_copy(update={"smtp_url": away}), clock) as world:
        async with world.db.begin() as tx:
            await world.service(Mail).send(tx, ADA, mails.Invite(token=TOKEN))
        row = await tried(world)
        assert "Error connecting" in row["last_error"]
        began = time.monotonic()
        assert (await world.api.get("/health/live")).status_code == 200
        assert time.monotonic() - began < 5

    clock.advance(5)
    async with World(settings.model_copy(update={"smtp_url": there}), clock) as world:
        await mailbox.next("ada@example.com")
        await mailbox.assert_none(world)


async def test_a_refusal_for_now_is_tried_again_as_the_same_mail(
    world: World, mailbox: Mailbox, send: Send, clock: MovableClock
) -> None:
    mailbox.answers = ["451 4.7.1 greylisted", "452 4.2.2 full"]
    await send()

    assert (await tried(world, 1))["last_error"] == "451 4.7.1 greylisted"
    clock.advance(5)
    assert (await tried(world, 2))["last_error"] == "452 4.2.2 full"
    clock.advance(30)
    world.wiring.runner.wake()

    await mailbox.next("ada@example.com")
    await mailbox.assert_none(world)


async def test_a_refusal_for_good_is_a_dead_letter_that_can_be_tried_again(
    world: World, mailbox: Mailbox, send: Send, clock: MovableClock
) -> None:
    mailbox.answers = ["550 5.1.1 no box of <ada@example.com>"]
    with captured_log() as log:
        await send()
        row = await tried(world)

    assert (row["failed_at"], row["last_error"]) == (clock.now(), "550 5.1.1 no box of <(address)>")
    assert "ada@" not in log.getvalue()
    assert log.named("outbox_job_dead")[0]["reason"] == row["last_error"]

    await world.service(Outbox).retry()
    await mailbox.next("ada@example.com")


async def test_a_farewell_that_is_refused_is_kept_nowhere(
    world: World, mailbox: Mailbox, send: Send
) -> None:
    mailbox.answers = ["550 no"]
    await send(mails.Erased)

    await mailbox.assert_none(world)
    assert await rows(world) == []


async def test_a_link_that_has_died_is_not_sent(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    async with World(settings, clock) as world:
        await world.wiring.runner.stop()
        async with world.db.begin() as tx:
            await world.service(Mail).send(
                tx, ADA, mails.Invite(token=TOKEN), expires_at=clock.now()
            )
        await world.wiring.runner.start()
        await mailbox.assert_none(world)


async def test_two_workers_send_each_mail_once_and_a_restart_loses_none(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    amount = 60
    async with World(settings, clock) as world:
        await world.wiring.runner.stop()
        async with world.db.begin() as tx:
            for number in range(amount):
                to = Recipient(f"person{number}@example.com")
                await world.service(Mail).send(tx, to, mails.FactorsReset())
    assert mailbox.mails == []

    async with World(settings, clock) as one, World(settings, clock):
        await mailbox.settled(one)

    assert len(mailbox.mails) == amount
    assert len({mail.to for mail in mailbox.mails}) == amount


async def test_a_crash_between_the_server_s_ok_and_our_record_sends_the_same_mail_again(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    async with World(settings, clock) as crashing, World(settings, clock) as heir:
        await heir.wiring.runner.stop()
        carry = crashing.service(Delivery).carrier.carry
        carried = asyncio.Event()

        async def carry_and_hang(letter: Any, **how: bool) -> None:
            await carry(letter, **how)
            carried.set()
            await asyncio.Event().wait()

        crashing.service(Delivery).carrier.carry = carry_and_hang  # type: ignore[method-assign] # a fault
        async with crashing.db.begin() as tx:
            await crashing.service(Mail).send(tx, ADA, mails.FactorsReset())
        first = await mailbox.next("ada@example.com")
        await carried.wait()
        kill_outbox_runners()

        clock.advance(LEASE.total_seconds())
        await heir.wiring.runner.start()
        second = await mailbox.next("ada@example.com")
        await mailbox.assert_none(heir)

    assert second.message["Message-ID"] == first.message["Message-ID"]
    assert second.content == first.content


async def test_mails_written_before_a_change_of_the_secret_key_are_sent_after_it(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    async with World(settings, clock) as world:
        await world.wiring.runner.stop()
        async with world.db.begin() as tx:
            await world.service(Mail).send(tx, ADA, mails.FactorsReset())

    old = settings.secret_keys[0]
    both = SecretStr(f"a new secret key that only the tests know,{old}")
    async with World(settings.model_copy(update={"secret_key": both}), clock) as world:
        await mailbox.next("ada@example.com")


async def test_where_the_feed_polls_mails_go_all_the_same(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    async with World(settings.model_copy(update={"feed": "poll"}), clock) as world:
        async with world.db.begin() as tx:
            await world.service(Mail).send(tx, ADA, mails.FactorsReset())
        await mailbox.next("ada@example.com")


async def test_mails_go_with_the_account(world: World, mailbox: Mailbox) -> None:
    user_id = await world.make_user()
    mailbox.answers = ["451 later"]
    async with world.db.begin() as tx:
        await world.service(Mail).tell(tx, user_id, mails.FactorsReset())
    await tried(world)

    await world.db.execute("DELETE FROM users")
    assert await rows(world) == []


async def test_neither_address_nor_token_rests_in_the_clear(
    world: World, mailbox: Mailbox, send: Send
) -> None:
    mailbox.answers = ["451 later, <ada@example.com>"]
    with captured_log() as log:
        await send()
        await tried(world)
        found = await world.db.fetchrow("SELECT * FROM outbox")

    assert found is not None
    for secret in ("ada@example.com", TOKEN):
        assert secret.encode() not in found["payload"]
        assert secret not in str(found["last_error"])
        assert secret not in log.getvalue()


async def test_a_sent_mail_is_logged_with_a_masked_address(
    world: World, mailbox: Mailbox, send: Send
) -> None:
    with captured_log() as log:
        await send()
        await mailbox.next()
        await mailbox.settled(world)

    (sent,) = log.named("mail_sent")
    assert (sent["to"], sent["template"]) == ("a***@example.com", "recover")
    assert TOKEN not in log.getvalue()


async def test_an_address_that_cannot_be_written_is_a_dead_letter(
    world: World, mailbox: Mailbox, send: Send
) -> None:
    await send(to=Recipient("ada@example.com\r\nBcc: eve@example.org"))

    assert (await tried(world))["last_error"] == "the address cannot be written into a mail"
    assert mailbox.mails == []


async def test_a_stuck_server_holds_up_neither_a_stop_nor_the_others(
    settings: Settings, clock: MovableClock
) -> None:
    asked = asyncio.Event()

    class Stuck:
        async def handle_DATA(self, *_: Any) -> str:  # noqa: N802 - aiosmtpd's name
            asked.set()
            await asyncio.Event().wait()
            return ""

    async with serving(Stuck()) as port:
        url = SecretStr(f"smtp://127.0.0.1:{port}")
        async with World(settings.model_copy(update={"smtp_url": url}), clock) as world:
            world.wiring.runner.pace.stop = 0.05
            async with world.db.begin() as tx:
                await world.service(Mail).send(tx, ADA, mails.FactorsReset())
            await asked.wait()
            began = time.monotonic()
    assert time.monotonic() - began < 10
