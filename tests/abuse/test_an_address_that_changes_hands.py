"""A stranger gives an address to many accounts: it gets few mails, and its links stay valid."""

from collections.abc import AsyncIterator, Awaitable, Callable
from unittest import mock

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.hostile import claims_of
from tests.fixtures.links import (
    ADA,
    OTHER,
    ask,
    confirm_email,
    recover,
    recovery_token,
    sign_up,
    token_from,
)
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.waiting import until, until_somebody_waits
from tests.fixtures.world import SignedIn, World

from keyfob.accounts.email import Email
from keyfob.core.problems import DatabaseUnavailable
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.settings import Settings

EVES = "the stranger's own"
CONFIRM = "Confirm your e-mail address"
CHOOSE = "Choose a new password"
# The limits of routes are another matter: here the mails alone are counted.
LIMITS = {
    "limits": "on",
    **dict.fromkeys(
        ("limit_register", "limit_recover", "limit_verify_email", "limit_me_email"), "10000/minute"
    ),
}

Bring = Callable[[World, str], Awaitable[httpx.Response]]


@pytest.fixture
async def optional(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> AsyncIterator[World]:
    """The service, where a new account is signed in at once and gets a link."""
    del mailbox  # named so that the settings point at it
    async with World(settings.model_copy(update={"verify_email": "optional"}), clock) as world:
        yield world


async def register(world: World, password: str = EVES) -> SignedIn:
    return SignedIn.of(await sign_up(world, password=password))


async def use_up(world: World, mailbox: Mailbox, path: str) -> None:
    """Create an account, and request as many links to it as the cap permits."""
    await sign_up(world)
    await mailbox.settled(world)
    while len(mailbox.mails) < 5:
        await ask_for(world, path)
        await mailbox.settled(world)
    mailbox.mails.clear()


async def move_away(world: World, eve: SignedIn, to: str) -> None:
    """Give the account another address, whose mails its holder reads."""
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email_normal = $1", ADA)
    async with world.db.begin() as tx:
        token = await world.service(OneTimeTokens).issue(
            tx, user_id, Kind.CHANGE_EMAIL, email=Email.parse(to)
        )
    body = {"token": token}
    answer = await world.api.post("/me/email/confirm", json=body, headers=eve.headers)
    assert answer.status_code == 204


async def ask_for(world: World, path: str) -> httpx.Response:
    return await (sign_up(world) if path == "/register" else ask(world, path))


async def by_recovery(world: World, token: str) -> httpx.Response:
    return await recover(world, token)


async def by_the_link_alone(world: World, token: str) -> httpx.Response:
    answer = await confirm_email(world, token)
    if answer.status_code != 200:
        return answer
    return await recover(world, answer.json()["token"])


WAYS = [
    ("/recover/request", CHOOSE, by_recovery),
    ("/verify-email/request", CONFIRM, by_the_link_alone),
]


@pytest.fixture(params=WAYS, ids=lambda way: way[0])
async def way(
    request: pytest.FixtureRequest, optional: World, mailbox: Mailbox
) -> tuple[str, Bring]:
    """A link that the owner asked for while a stranger's account had the address, and its use.

    The account has moved away since.
    """
    path, subject, bring = request.param
    eve = await register(optional)
    await mailbox.next(to=ADA, subject=CONFIRM)
    await ask(optional, path)
    token = await token_from(mailbox, subject=subject)
    await move_away(optional, eve, "eve@example.org")
    return token, bring


@pytest.mark.parametrize("mode", ["off", "optional"])
async def test_42_one_account_after_another_sends_no_more_links_than_one(
    settings: Settings, clock: MovableClock, mailbox: Mailbox, mode: str
) -> None:
    limited = settings.model_copy(update={**LIMITS, "verify_email": mode})
    async with World(limited, clock) as world:
        for number in range(10):
            eve = await register(world)
            for path in ("/recover/request", "/verify-email/request"):
                await ask(world, path)
            await mailbox.settled(world)
            await move_away(world, eve, f"eve{number}@example.org")

        sent = [mail.subject for mail in mailbox.mails if mail.to == ADA]
        assert max(sent.count(CONFIRM), sent.count(CHOOSE)) <= 5 + 1

        # And the owner gets the next one as soon as that one has died.
        mailbox.mails.clear()
        clock.advance(hours=6)
        await register(world)
        for _ in range(5):
            await ask(world, "/recover/request")
        await mailbox.next(to=ADA, subject=CHOOSE)


async def test_42_the_link_beyond_the_cap_opens_whatever_account_came_after(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    """A stranger used up the others, and had it sent: so it has to be good for its reader."""
    async with World(settings.model_copy(update=LIMITS), clock) as world:
        eve = await register(world)
        links = [await recovery_token(world, mailbox) for _ in range(6)]
        await move_away(world, eve, "eve@example.org")
        await register(world)
        clock.advance(hours=5)

        assert [(await recover(world, token)).status_code for token in links] == [400] * 5 + [204]
        assert (await world.attempt_login(ADA, OTHER)).status_code == 200


async def test_42_asking_for_nobody_uses_up_no_link(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    async with World(settings.model_copy(update=LIMITS), clock) as world:
        for _ in range(10):
            await ask(world, "/recover/request")
        await mailbox.settled(world)
        await register(world, OTHER)

        await ask(world, "/recover/request")
        await mailbox.next(to=ADA, subject=CHOOSE)


async def test_42_a_link_beyond_the_cap_from_before_the_first_proof_uses_up_none_after_it(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    """No link that a stranger requested opens the account of the address's later owner."""
    limited = settings.model_copy(update={**LIMITS, "verify_email": "optional"})
    async with World(limited, clock) as world:
        eve = await register(world)
        for _ in range(6):
            await recovery_token(world, mailbox)
        await move_away(world, eve, "eve@example.org")
        mailbox.mails.clear()
        await register(world, OTHER)
        proving = await token_from(mailbox, subject=CONFIRM)
        assert (await confirm_email(world, proving, OTHER)).status_code == 200

        assert await use_all_that_is_sent(world, mailbox) == [204]


@pytest.mark.parametrize("by", ["the owner", "an administrator"])
async def test_42_a_link_beyond_the_cap_dies_with_the_sign_up_that_gives_way_and_uses_up_none(
    settings: Settings, clock: MovableClock, mailbox: Mailbox, by: str
) -> None:
    limited = settings.model_copy(update={**LIMITS, "verify_email": "required"})
    async with World(limited, clock) as world:
        await sign_up(world, password=EVES)
        await mailbox.next(to=ADA, subject=CONFIRM)
        for _ in range(6):
            await recovery_token(world, mailbox)
        if by == "the owner":
            await world.make_user("ada@example.org")
            ada = await world.log_in("ada@example.org")
            body = {"email": ADA}
            await world.api.post("/me/email", json=body, headers=ada.headers)
            token = {"token": await token_from(mailbox)}
            moved = await world.api.post("/me/email/confirm", json=token, headers=ada.headers)
            assert moved.status_code == 204
        else:
            root = await world.make_admin()
            body = {"email": ADA, "name": "Ada"}
            made = await world.api.post("/admin/users", json=body, headers=root.headers)
            assert made.status_code == 201
        await mailbox.settled(world)
        mailbox.mails.clear()

        assert await use_all_that_is_sent(world, mailbox) == [204]


async def use_all_that_is_sent(world: World, mailbox: Mailbox) -> list[int]:
    """Ask three times for recovery, and return how each link that is sent is answered."""
    for _ in range(3):
        await ask(world, "/recover/request")
    await mailbox.settled(world)
    tokens = [token for mail in mailbox.mails for token in mail.tokens()]
    return [(await recover(world, token)).status_code for token in tokens]


LINKS = pytest.mark.parametrize(
    ("mode", "path", "subject"),
    [
        ("off", "/recover/request", CHOOSE),
        ("optional", "/verify-email/request", CONFIRM),
        ("required", "/register", CONFIRM),
    ],
)


@LINKS
async def test_42_a_stranger_who_leaves_while_the_link_beyond_the_cap_is_made_uses_it_up_for_nobody(
    settings: Settings, clock: MovableClock, mailbox: Mailbox, mode: str, path: str, subject: str
) -> None:
    limited = settings.model_copy(update={**LIMITS, "verify_email": mode})
    async with World(limited, clock) as world:
        await use_up(world, mailbox, path)

        async with world.db.begin() as leaving:
            await leaving.execute("SELECT FROM users WHERE email_normal = $1 FOR UPDATE", ADA)
            await ask_for(world, path)
            await until_somebody_waits(world.db)
            await leaving.execute("DELETE FROM users WHERE email_normal = $1", ADA)
        await mailbox.assert_none(world, to=ADA)

        await sign_up(world)
        await ask_for(world, path)
        await mailbox.settled(world)
        assert [mail.subject for mail in mailbox.mails] == [subject]


@LINKS
async def test_42_a_fault_uses_up_no_link_beyond_the_cap(
    settings: Settings,
    clock: MovableClock,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    path: str,
    subject: str,
) -> None:
    limited = settings.model_copy(update={**LIMITS, "verify_email": mode})
    async with World(limited, clock) as world:
        await use_up(world, mailbox, path)

        async def is_postponed() -> bool:
            return bool(await world.db.fetchval("SELECT count(last_error) FROM outbox"))

        with monkeypatch.context() as patch:
            patch.setattr(OneTimeTokens, "issue", mock.AsyncMock(side_effect=DatabaseUnavailable))
            await ask_for(world, path)
            await until(is_postponed)
        clock.advance(seconds=5)
        world.wiring.runner.wake()

        await mailbox.settled(world)
        assert [mail.subject for mail in mailbox.mails] == [subject]


async def test_42_no_link_of_the_owner_dies_when_the_stranger_moves_away_and_comes_again(
    optional: World, way: tuple[str, Bring]
) -> None:
    token, bring = way
    assert (await bring(optional, token)).status_code == 400  # the address is free: nothing to open
    again = await register(optional)

    assert (await bring(optional, token)).status_code == 204

    assert (await optional.me(again)).status_code == 401
    assert (await optional.attempt_login(ADA, EVES)).status_code == 401
    assert (await optional.attempt_login(ADA, OTHER)).status_code == 200


async def test_42_no_link_of_the_owner_dies_with_those_of_the_account_that_left(
    optional: World, mailbox: Mailbox, way: tuple[str, Bring]
) -> None:
    token, bring = way
    await ask(optional, "/recover/request", "eve@example.org")
    of_eve = await token_from(mailbox, "eve@example.org", CHOOSE)
    assert (await recover(optional, of_eve, "what eve chose next")).status_code == 204
    await register(optional)

    assert (await bring(optional, token)).status_code == 204


async def test_42_the_owner_proves_an_account_of_the_own_by_a_link_from_before_it(
    optional: World, mailbox: Mailbox
) -> None:
    eve = await register(optional)
    token = await token_from(mailbox, subject=CONFIRM)
    await move_away(optional, eve, "eve@example.org")
    ada = await register(optional, OTHER)

    assert (await confirm_email(optional, token, by=ada)).status_code == 204

    me = (await optional.me(ada)).json()
    assert (me["email"], me["email_verified"]) == (ADA, True)


async def test_42_a_link_from_before_an_owner_has_proven_the_address_opens_nothing_after(
    optional: World, mailbox: Mailbox, way: tuple[str, Bring]
) -> None:
    token, bring = way
    await register(optional, OTHER)
    proving = await token_from(mailbox, subject=CONFIRM)
    assert (await confirm_email(optional, proving, OTHER)).status_code == 200

    assert (await bring(optional, token)).status_code == 400
    assert (await optional.attempt_login(ADA, OTHER)).status_code == 200


async def test_47_a_block_kills_links_that_were_asked_for_an_account_before(
    optional: World, way: tuple[str, Bring]
) -> None:
    token, bring = way
    await register(optional)
    root = await optional.make_admin()
    user_id = await optional.db.fetchval("SELECT id FROM users WHERE email_normal = $1", ADA)
    for status in ("blocked", "active"):
        body = {"status": status}
        await optional.api.patch(f"/admin/users/{user_id}", json=body, headers=root.headers)

    assert (await bring(optional, token)).status_code == 400


@pytest.mark.parametrize("given", ["to a new account", "to one that registered itself"])
async def test_47_a_link_from_before_an_administrator_gave_the_address_away_is_dead(
    optional: World, mailbox: Mailbox, way: tuple[str, Bring], given: str
) -> None:
    """Whoever left a shared mailbox keeps a link, and the next holder may have a role."""
    token, bring = way
    root = await optional.make_admin()
    if given == "to a new account":
        body = {"email": ADA, "role": "admin"}
        answer = await optional.api.post("/admin/users", json=body, headers=root.headers)
    else:
        bob = await sign_up(optional, "bob@example.com")
        path = f"/admin/users/{claims_of(SignedIn.of(bob).access)['sub']}"
        answer = await optional.api.patch(path, json={"email": ADA}, headers=root.headers)

    assert answer.status_code in {200, 201}
    assert (await bring(optional, token)).status_code == 400
    assert (await recover(optional, await recovery_token(optional, mailbox))).status_code == 204
