"""What is known of a device that was allowed: on record, in its grant, and in a mail."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from tests.fixtures.device_apps import DeviceApp, decide, make_device_app, typed
from tests.fixtures.links import forget_proof
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import CLIENT, World
from tests.web.account_pages import signed_in

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
THERE = "198.51.100.9"


@pytest.fixture
async def ada(mailbox: Mailbox, world: World) -> UUID:
    """The user, whose mails are delivered."""
    return await world.make_user(name="Ada")


@pytest.fixture
async def browser(world: World, ada: UUID) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(world) as browser:
        yield browser


@pytest.fixture
async def tv(world: World) -> DeviceApp:
    return await make_device_app(world)


async def allow(world: World, tv: DeviceApp, browser: httpx.AsyncClient) -> httpx.Response:
    """Allow a device at another address than the browser's, and let it fetch its tokens."""
    codes = await tv.codes(by=world.client(THERE, **{"user-agent": FIREFOX}))
    await typed(browser, codes["user_code"])
    await decide(browser, codes["user_code"])
    return await tv.poll(codes)


async def test_its_user_gets_a_mail_that_says_which_it_was(
    world: World, tv: DeviceApp, browser: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    await allow(world, tv, browser)

    mail = await mailbox.next("ada@example.com", subject="allowed on another device")
    for told in ("Ledger", THERE, "Firefox 140, Linux", "page of your apps"):
        assert told in " ".join(mail.text.split()), told


async def test_nothing_that_a_stranger_has_named_is_in_it_where_the_address_is_not_proven(
    world: World, tv: DeviceApp, browser: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    await forget_proof(world, "ada@example.com")

    await allow(world, tv, browser)

    mail = await mailbox.next("ada@example.com", subject="allowed on another device")
    assert "Ledger" not in mail.text


async def test_a_device_that_is_refused_causes_none(
    world: World, tv: DeviceApp, browser: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    codes = await tv.codes()
    await typed(browser, codes["user_code"])
    await decide(browser, codes["user_code"], "deny")

    await mailbox.settled(world)
    assert [mail for mail in mailbox.mails if "device" in mail.subject] == []


async def test_the_record_says_where_its_user_was_and_the_grant_where_it_is(
    world: World, tv: DeviceApp, browser: httpx.AsyncClient
) -> None:
    assert (await allow(world, tv, browser)).status_code == 200

    [event] = [one for one in await world.audit_log() if one["action"] == "app.allowed_on_device"]
    grant = await world.db.fetchrow(
        "SELECT host(ip_address) AS at, browser, os, device_type FROM sessions WHERE kind = 'app'"
    )
    assert str(event["ip_address"]) == CLIENT
    assert event["new_values"]["device"] == "Firefox 140, Linux"
    assert tuple(grant) == (THERE, "Firefox 140", "Linux", "unknown")
