"""An owner hears of a sign-in from a device or a network that is new to the account."""

from pathlib import Path

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, ask_for_factor, show_factor
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.passkeys import own_passkey, sign_in
from tests.fixtures.places import write_places
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import CLIENT, PASSWORD, SignedIn, World

from keyfob.boot import services_of
from keyfob.settings import Settings, WrongSetting

ADA = "ada@example.com"
SUBJECT = "A sign-in from a new device"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"
)


async def log_in(world: World, address: str | None = CLIENT, device: str = FIREFOX) -> None:
    """Sign in from an address with a browser."""
    client = world.client(address, **{"User-Agent": device})
    await world.log_in(ADA, by=client)


@pytest.fixture
async def used(world: World) -> World:
    """An account that was used from one device."""
    await world.make_user(ADA)
    await log_in(world)
    return world


async def test_a_new_device_is_told(mailbox: Mailbox, used: World) -> None:
    await log_in(used, device=PHONE)

    mail = await mailbox.next(ADA, subject=SUBJECT)
    assert "When: 2026-11-22 12:00 UTC" in mail.text
    assert "From: 203.0.113.7" in mail.text
    assert "Device: Mobile Safari 18, iOS 18" in mail.text
    await mailbox.assert_none(used)


async def test_a_new_network_is_told(mailbox: Mailbox, used: World) -> None:
    await log_in(used, "198.51.100.1")

    assert "From: 198.51.100.1" in (await mailbox.next(ADA, subject=SUBJECT)).text


async def test_what_was_told_once_is_known(mailbox: Mailbox, used: World) -> None:
    await log_in(used, "2001:db8::1", PHONE)
    await mailbox.next(ADA, subject=SUBJECT)

    await log_in(used, "2001:db8::2", PHONE)  # of one /64
    await log_in(used, CLIENT, FIREFOX.replace("132", "133"))  # of another version

    await mailbox.assert_none(used)


async def test_the_first_sign_in_is_no_news(mailbox: Mailbox, world: World) -> None:
    await world.make_user(ADA)

    await log_in(world)

    await mailbox.assert_none(world)


async def test_a_registration_is_the_first_sign_in(mailbox: Mailbox, world: World) -> None:
    client = world.client(CLIENT, **{"User-Agent": FIREFOX})
    await client.post("/register", json={"email": ADA, "password": PASSWORD})
    await log_in(world)
    await mailbox.assert_none(world)

    await log_in(world, "198.51.100.1")

    await mailbox.next(ADA, subject=SUBJECT)


async def test_a_refused_sign_in_makes_nothing_known_and_tells_nothing(
    mailbox: Mailbox, used: World
) -> None:
    client = used.client("198.51.100.1", **{"User-Agent": PHONE})
    await used.attempt_login(ADA, "a wrong horse", by=client)
    await mailbox.assert_none(used)

    await log_in(used, "198.51.100.1", PHONE)

    await mailbox.next(ADA, subject=SUBJECT)


async def test_an_account_that_slept_is_told_even_from_home(
    mailbox: Mailbox, used: World, clock: MovableClock
) -> None:
    await used.wiring.worker.last()  # what was done is in the database by then
    clock.advance(days=91)

    await log_in(used)

    await mailbox.next(ADA, subject=SUBJECT)


async def test_without_an_address_the_device_alone_counts(mailbox: Mailbox, used: World) -> None:
    await log_in(used, None)
    await mailbox.assert_none(used)

    await log_in(used, None, PHONE)

    assert "From:" not in (await mailbox.next(ADA, subject=SUBJECT)).text


async def test_whatever_proved_it_is_told(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    await world.make_user(ADA)
    ada = await world.log_in(ADA)
    passkey = await own_passkey(world, ada)
    ada = SignedIn.of(await world.refresh(ada.refresh))
    app = await add_totp(world, ada, clock)
    clock.advance(60)

    world.api = world.client("198.51.100.1")
    (await sign_in(world, passkey)).raise_for_status()
    assert "198.51.100.1" in (await mailbox.next(ADA, subject=SUBJECT)).text
    world.api = world.client("198.51.100.2")
    token = await ask_for_factor(world)
    await mailbox.settled(world)
    assert [mail.subject for mail in mailbox.mails if mail.subject == SUBJECT] == []
    (await show_factor(world, token, code=app.code())).raise_for_status()
    assert "198.51.100.2" in (await mailbox.next(ADA, subject=SUBJECT)).text


async def test_places_are_told_in_the_language_of_the_account(
    mailbox: Mailbox, settings: Settings, clock: MovableClock, tmp_path: Path
) -> None:
    file = write_places(tmp_path / "places.mmdb")
    async with World(settings.model_copy(update={"geoip_database": file}), clock) as world:
        await world.make_user(ADA)
        await log_in(world, "198.51.100.1")
        await log_in(world, "203.0.113.7")
        english = await mailbox.next(ADA)
        await world.db.execute("UPDATE users SET locale = 'ru'")
        await log_in(world, "2001:db8::1")
        russian = await mailbox.next(ADA)
        await log_in(world, "192.0.2.1")
        nowhere = await mailbox.next(ADA)

    assert "Paris, France" in english.text
    assert "Tromsø, Норвегия" in russian.text
    assert "192.0.2.1" in nowhere.text
    assert "Место" not in nowhere.text


async def test_a_places_file_that_is_none_stops_the_start(
    settings: Settings, tmp_path: Path
) -> None:
    wrong = settings.model_copy(update={"geoip_database": tmp_path / "none.mmdb"})

    with pytest.raises(WrongSetting, match=r"^KEYFOB_GEOIP_DATABASE: "):
        async with services_of(wrong):
            pass


async def test_made_up_devices_do_not_fill_a_mailbox(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_notices": "2/hour"})
    async with World(limited, clock) as world:
        await world.make_user(ADA)
        for number in range(5):
            await log_in(world, f"198.51.100.{number}")
        await mailbox.settled(world)

        assert len(mailbox.mails) == 2
        clock.advance(hours=1)
        await log_in(world, "198.51.100.9")
        await mailbox.settled(world)
        assert len(mailbox.mails) == 3


async def test_a_known_sign_in_takes_nine_round_trips(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    async with World(settings.model_copy(update={"limits": "on"}), clock) as world:
        await world.make_user(ADA)
        await log_in(world)

        with recorded_statements() as known:
            await log_in(world)
        with recorded_statements() as new:
            await log_in(world, device=PHONE)

    assert len(known) == 9
    assert len(new) == 10  # what it tells is written with it; who reads it is asked later
