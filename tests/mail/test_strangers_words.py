"""No text of a stranger is in a mail to an address that is not proven.

Threat: whoever signs up with another's address, or asks for a link to it, would have us send that
person words of theirs, from a sender that the person trusts.
"""

from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.mailbox import Mailbox, Received
from tests.fixtures.world import CLIENT, PASSWORD, SignedIn, World

from keyfob.core.locales import Locale
from keyfob.mail.mails import KINDS, read_content
from keyfob.mail.models import Recipient
from keyfob.mail.service import Mail
from keyfob.settings import Settings

ADA = "ada@example.com"
PHISH = "Your account is suspended. Restore it at https://evil.example/now before noon/1 CFNetwork"
DEVICES = {
    "a family that is a sentence": PHISH,
    "a browser's generic family": "Mozilla/5.0 (X11; Linux x86_64) evil.example/5 Firefox/1",
    "an app's name": "evil.example suspended/1.0 (iPhone; iOS 17.0) CFNetwork/1.0 Darwin/23",
    "a bot": "Mozilla/5.0 (compatible; suspended-evil.example-bot/2.1; +https://evil.example)",
    "a system": "Mozilla/5.0 (Windows NT evil.example suspended) Gecko/20100101 Firefox/125.0",
    "a version": "Mozilla/5.0 (X11; Linux x86_64; rv:1) Gecko/20100101 Firefox/88005553535.0",
    "a model": "Mozilla/5.0 (Linux; Android 14; evil.example suspended) Chrome/124 Mobile Safari",
    "two lines": "Firefox/1\tevil.example suspended",
}
WORDS = ("evil", "suspended", "Restore", "before noon", "88005553535", "CFNetwork")
NAME = "Restore evil"  # that a mail program makes no link of
FACTOR = "suspended evil"
IN_HEADERS_TOO = {
    "User-Agent": PHISH,
    "Accept-Language": "evil-suspended, en;q=0.1",
    "X-Request-ID": "evil-suspended",
    "X-Forwarded-For": "evil.example suspended, fe80::1%evil.example",
    "X-Forwarded-Host": "evil.example",
    "From": "suspended@evil.example",
    "Referer": "https://evil.example/suspended",
}


def said(mail: Received) -> str:
    """Everything that a reader or a mail program sees, but the reader's own address."""
    headers = [f"{name}: {value}" for name, value in mail.message.items() if name != "To"]
    return "\n".join((*headers, mail.text, mail.html))


def words_in(mail: Received) -> list[str]:
    return [word for word in WORDS if word.lower() in said(mail).lower()]


def device_in(mail: Received) -> str | None:
    lines = [line for line in mail.text.splitlines() if line.startswith("Device: ")]
    return lines[0].removeprefix("Device: ") if lines else None


@pytest.fixture
async def proxied(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    """The service behind a proxy, whose word about its clients is believed."""
    everybody = {"trusted_proxies": [ip_network("198.51.100.0/24"), ip_network("192.0.2.0/24")]}
    async with World(settings.model_copy(update=everybody), clock) as world:
        yield world


async def sign_up(world: World, **headers: str) -> SignedIn:
    body = {"email": ADA, "password": PASSWORD, "name": NAME}
    return SignedIn.of(await world.client(CLIENT, **headers).post("/register", json=body))


@pytest.fixture
async def required(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    async with World(settings.model_copy(update={"verify_email": "required"}), clock) as world:
        yield world


@pytest.mark.parametrize("locale", Locale)
@pytest.mark.parametrize("template", KINDS)
async def test_no_mail_to_an_unproven_address_says_what_somebody_typed(
    world: World, mailbox: Mailbox, template: str, locale: Locale
) -> None:
    told: dict[str, Any] = {
        "address": "https://evil.example/suspended",
        "device": f"{PHISH}, suspended",
        "factor": FACTOR,
        "new_email": "s***@evil.example",
        "codes_left": 9,
        "erase_at": "2026-12-06 12:00 UTC",
        "token": "kfl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    }
    async with world.db.begin() as tx:
        to = Recipient(ADA, locale, name=NAME)
        await world.service(Mail).send(tx, to, read_content(template, told))

    mail = await mailbox.next(ADA)
    assert words_in(mail) == []
    assert mail.message["Content-Language"] == locale


@pytest.mark.parametrize("user_agent", DEVICES.values(), ids=DEVICES)
async def test_a_sign_up_sends_no_words_to_an_address_without_an_account(
    mailbox: Mailbox, required: World, user_agent: str
) -> None:
    headers = {**IN_HEADERS_TOO, "User-Agent": user_agent}
    body = {"email": ADA, "password": PASSWORD, "name": NAME}
    answer = await required.client(CLIENT, **headers).post("/register", json=body)
    assert answer.status_code == 202

    mail = await mailbox.next(ADA)
    assert words_in(mail) == []
    assert len(device_in(mail) or "") <= 40


async def test_nothing_that_an_unproven_account_does_has_its_address_read_a_stranger_s_words(
    mailbox: Mailbox, proxied: World, clock: MovableClock
) -> None:
    """Every mail that the holder of such an account can cause, by every field it can write."""
    world = proxied
    stranger = await sign_up(world, **IN_HEADERS_TOO)
    client = world.client("198.51.100.9", **IN_HEADERS_TOO, **stranger.headers)
    await client.patch("/me", json={"timezone": "Evil/Suspended", "locale": "evil"})
    await client.patch("/me", json={"name": FACTOR})
    await client.post("/me/factors/totp", json={"name": FACTOR})
    await client.post("/me/email", json={"email": "suspended@evil.example"})
    change = await mailbox.next("suspended@evil.example")
    await world.attempt_login(ADA, by=world.client("192.0.2.1", **IN_HEADERS_TOO))
    await world.client(**IN_HEADERS_TOO).post("/recover/request", json={"email": ADA})
    await world.client(**IN_HEADERS_TOO).post("/verify-email/request", json={"email": ADA})
    await client.delete("/me")
    await client.post("/me/keep")
    new = "another horse 4711"
    passwords = {"current_password": PASSWORD, "password": new}
    changed = SignedIn.of(await client.post("/me/password", json=passwords))
    client.headers.update(changed.headers)
    await world.refresh(changed.refresh)
    (token,) = change.tokens()
    (await client.post("/me/email/confirm", json={"token": token})).raise_for_status()
    await mailbox.settled(world)

    mails = [mail for mail in mailbox.mails if mail.to == ADA]
    assert {mail.subject for mail in mails} >= {
        "A sign-in from a new device",
        "Choose a new password",
        "Your account stays",
        "Your account will be erased",
        "Your e-mail address was changed",
        "Your password was changed",
    }
    assert {mail.subject: words_in(mail) for mail in mails if words_in(mail)} == {}


async def test_an_account_that_a_stranger_made_puts_no_name_into_its_owner_s_mails(
    mailbox: Mailbox, world: World, settings: Settings, clock: MovableClock
) -> None:
    """The owner signs up after verification was required, and is told of the account."""
    await sign_up(world)
    async with World(settings.model_copy(update={"verify_email": "required"}), clock) as later:
        body = {"email": ADA, "password": PASSWORD}
        await later.client(**{"User-Agent": PHISH}).post("/register", json=body)

        assert words_in(await mailbox.next(ADA)) == []


@pytest.mark.parametrize("user_agent", DEVICES.values(), ids=DEVICES)
async def test_a_device_is_of_a_list_or_left_out_for_whoever_reads_it(
    mailbox: Mailbox, world: World, user_agent: str
) -> None:
    """Threat: signing in or recovering would send a stranger's text to the owner as well."""
    await world.make_user(ADA, name="Ada")
    await world.db.execute("UPDATE users SET email_verified_at = now()")
    await world.log_in()
    client = world.client("192.0.2.1", **{"User-Agent": user_agent})
    await world.attempt_login(ADA, by=client)
    await client.post("/recover/request", json={"email": ADA})

    for subject in ("A sign-in from a new device", "Choose a new password"):
        mail = await mailbox.next(ADA, subject=subject)
        assert words_in(mail) == []
        assert len(device_in(mail) or "") <= 40
        assert mail.text.startswith("Hello Ada,\n")


async def test_a_session_s_device_is_of_a_list_too(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    await world.make_user(ADA)
    client = world.client("192.0.2.1", **{"User-Agent": PHISH})
    thief = await world.log_in(ADA, by=client)
    await world.refresh(thief.refresh)
    clock.advance(11)
    await world.refresh(thief.refresh)

    mail = await mailbox.next(ADA, subject="A session was ended")
    assert words_in(mail) == []


async def test_what_sessions_and_the_login_log_keep_of_a_device_is_short(world: World) -> None:
    await world.make_user(ADA)
    long = f"{'Very' * 20} Long {'Words' * 20}/123456789012 CFNetwork"
    client = world.client("192.0.2.1", **{"User-Agent": long})
    signed_in = await world.attempt_login(ADA, by=client)
    kept = [
        *await world.db.fetch("SELECT browser, os, platform FROM sessions"),
        *await world.db.fetch("SELECT browser, os, platform FROM login_events"),
    ]

    assert signed_in.status_code == 200
    assert max(len(text) for row in kept for text in row.values() if text) <= 64
