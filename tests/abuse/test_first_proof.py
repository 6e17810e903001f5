"""Line 39 of the abuse list: an address belongs to nobody until it is proven."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from tests.abuse.proofs import EVES, register_as_eve
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, ask_for_factor, show_factor
from tests.fixtures.links import (
    ADA,
    OTHER,
    ask,
    confirm_email,
    forget_proof,
    recover,
    recovery_token,
    sign_up,
    token_from,
)
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.passkeys import own_passkey, sign_in
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.administration.authority import Actor
from keyfob.administration.unproven import Unproven
from keyfob.settings import Settings

CONFIRM = "Confirm your e-mail address"
MINUTE = timedelta(minutes=1)


async def by_recovery(world: World, mailbox: Mailbox) -> None:
    assert (await recover(world, await recovery_token(world, mailbox))).status_code == 204


async def by_invitation(world: World, mailbox: Mailbox) -> None:
    root = await world.make_admin()
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email_normal = $1", ADA)
    await world.api.post(f"/admin/users/{user_id}/invite", headers=root.headers)
    token = await token_from(mailbox, subject="You are invited")
    assert (await recover(world, token)).status_code == 204


async def by_a_link_alone(world: World, mailbox: Mailbox) -> None:
    """Press "that was not me": no password is known yet."""
    await ask(world, "/verify-email/request")
    await confirm_email(world, await token_from(mailbox, subject=CONFIRM))


@pytest.fixture(params=[by_recovery, by_invitation, by_a_link_alone])
def prove(
    request: pytest.FixtureRequest, mailbox: Mailbox, world: World
) -> Callable[[], Awaitable[None]]:
    """Each way in which the reader of a mailbox proves the address, knowing no password."""

    async def as_its_reader() -> None:
        await request.param(world, mailbox)

    return as_its_reader


async def test_39_sessions_of_a_stranger_end_with_the_first_proof(
    world: World, prove: Callable[[], Awaitable[None]]
) -> None:
    eve = await register_as_eve(world)

    await prove()

    assert (await world.me(eve)).status_code == 401
    assert (await world.refresh(eve.refresh)).status_code == 401
    assert (await world.attempt_login(password=EVES)).status_code == 401


async def test_39_factors_of_a_stranger_end_with_the_first_proof(
    world: World, clock: MovableClock, prove: Callable[[], Awaitable[None]]
) -> None:
    """As an older release let them be added before the address was proven."""
    eve = await register_as_eve(world)
    await world.db.execute("UPDATE users SET email_verified_at = now()")
    passkey = await own_passkey(world, eve)
    eve = SignedIn.of(await world.refresh(eve.refresh))
    app = await add_totp(world, eve, clock)
    await forget_proof(world)
    clock.advance(60)
    waiting = await ask_for_factor(world, password=EVES)

    await prove()

    assert (await sign_in(world, passkey)).status_code == 401
    assert (await show_factor(world, waiting, code=app.code())).status_code == 401
    assert await world.db.fetchval("SELECT count(*) FROM factors") == 0
    assert await world.db.fetchval("SELECT count(*) FROM recovery_codes") == 0
    assert await world.db.fetchval("SELECT count(*) FROM pending_logins") == 0


async def test_39_a_stranger_s_plans_and_words_end_with_the_first_proof(
    world: World, prove: Callable[[], Awaitable[None]]
) -> None:
    eve = await register_as_eve(world)
    assert (await world.api.delete("/me", headers=eve.headers)).status_code == 202

    await prove()

    account = await world.db.fetchrow("SELECT * FROM users WHERE email_normal = $1", ADA)
    assert account is not None
    assert (account["erase_at"], account["name"]) == (None, None)


async def test_39_no_taste_of_a_stranger_outlives_the_first_proof(
    world: World, mailbox: Mailbox, clock: MovableClock
) -> None:
    """Spelling, language and time zone; and the export says what was before the proof."""
    russian = {"Accept-Language": "ru"}
    eve = SignedIn.of(await sign_up(world, "ADA@Example.com", EVES, headers=russian))
    await world.api.patch("/me", json={"timezone": "Asia/Tokyo"}, headers=eve.headers)
    clock.advance(60)
    await ask(world, "/recover/request")
    (token,) = (await mailbox.next(to="ADA@example.com")).tokens()

    assert (await recover(world, token)).status_code == 204

    ada = await world.log_in(password=OTHER)
    me = (await world.me(ada)).json()
    assert (me["email"], me["locale"], me["timezone"]) == (ADA, "en", None)
    got = (await world.api.get("/me/export", headers=ada.headers)).json()
    before = {one["reason"]: one["before_first_proof"] for one in got["logins"]}
    assert before == {
        "registered": True,
        "address_proven": False,
        "recovered": False,
        "password": False,
    }
    assert [one["before_first_proof"] for one in got["sessions"]] == [True, False]


async def test_39_what_a_stranger_began_ends_with_the_first_proof(
    world: World, mailbox: Mailbox, prove: Callable[[], Awaitable[None]]
) -> None:
    """A ceremony and a link to the stranger's own address, which a session would finish."""
    eve = await register_as_eve(world)
    await world.db.execute("UPDATE users SET email_verified_at = now()")
    await world.api.post("/me/factors/passkeys/options", headers=eve.headers)
    await world.api.post("/me/email", json={"email": "eve@example.org"}, headers=eve.headers)
    await mailbox.next(to="eve@example.org")
    await forget_proof(world)

    await prove()

    assert await world.db.fetchval("SELECT count(*) FROM webauthn_challenges") == 0
    left = await world.db.fetch("SELECT kind FROM one_time_tokens WHERE kind = 'change_email'")
    assert left == []


async def test_39_the_owner_is_alone_in_the_account_after_the_first_recovery(
    world: World, mailbox: Mailbox
) -> None:
    await register_as_eve(world)

    await by_recovery(world, mailbox)

    ada = await world.log_in(password=OTHER)
    me = (await world.me(ada)).json()
    assert (me["email_verified"], me["name"], me["erase_at"]) == (True, None, None)
    factors = (await world.api.get("/me/factors", headers=ada.headers)).json()
    assert factors == {"factors": [], "recovery_codes_left": 0}


async def test_39_networks_of_a_stranger_are_known_no_more(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    """Threat: somebody who signed in from a thousand networks before could guess from each."""
    async with World(settings.model_copy(update={"limits": "on"}), clock) as world:
        await register_as_eve(world)
        clock.advance(60)
        client = world.client("198.51.100.77")
        assert (await world.attempt_login(ADA, EVES, by=client)).status_code == 200
        clock.advance(60)

        await by_recovery(world, mailbox)

        for host in range(10):  # somebody uses up what strange networks have
            await world.attempt_login(password="a guess", by=f"203.0.113.{host + 100}")
        assert (await world.attempt_login(ADA, EVES, by=client)).status_code == 429


async def by_the_password_beside_the_link(world: World, mailbox: Mailbox, ada: SignedIn) -> None:
    token = await token_from(mailbox, subject=CONFIRM)
    assert (await confirm_email(world, token, PASSWORD)).status_code == 200


async def by_a_session(world: World, mailbox: Mailbox, ada: SignedIn) -> None:
    token = await token_from(mailbox, subject=CONFIRM)
    assert (await confirm_email(world, token, by=ada)).status_code == 204


async def by_the_operator_s_word(world: World, mailbox: Mailbox, ada: SignedIn) -> None:
    """And the links that were under way prove nothing any more."""
    user_id = await world.db.fetchval("SELECT id FROM users")
    assert await world.service(Unproven).vouch(Actor(None), user_id)
    assert await world.db.fetchval("SELECT count(*) FROM one_time_tokens") == 0


@pytest.mark.parametrize(
    "by", [by_the_password_beside_the_link, by_a_session, by_the_operator_s_word]
)
async def test_39_a_proof_that_ends_nothing_leaves_the_owner_s_networks_known(
    settings: Settings,
    clock: MovableClock,
    mailbox: Mailbox,
    by: Callable[[World, Mailbox, SignedIn], Awaitable[None]],
) -> None:
    changed = settings.model_copy(update={"limits": "on", "verify_email": "optional"})
    async with World(changed, clock) as world:
        ada = SignedIn.of(await sign_up(world, password=PASSWORD))
        await mailbox.settled(world)
        clock.advance(60)
        await by(world, mailbox, ada)
        await world.db.execute("DELETE FROM login_events WHERE at > $1", clock.now() - MINUTE)
        for host in range(10):
            await world.attempt_login(password="a guess", by=f"203.0.113.{host + 100}")

        assert (await world.attempt_login()).status_code == 200

        await mailbox.settled(world)
        assert [mail.subject for mail in mailbox.mails if "new device" in mail.subject] == []
