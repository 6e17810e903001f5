"""Lines 39 to 42 and 47 of the abuse list: an address belongs to nobody until it is proven."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest
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

from keyfob.admin.authority import Actor
from keyfob.admin.unproven import Unproven
from keyfob.settings import Settings

EVES = "the stranger's own"
CONFIRM = "Confirm your e-mail address"
CHOOSE = "Choose a new password"
MINUTE = timedelta(minutes=1)


async def register_as_eve(world: World, name: str = "Eve was here") -> SignedIn:
    """Sign up with Ada's address, where that signs in at once."""
    return SignedIn.of(await sign_up(world, password=EVES, name=name))


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
    """Threat: whoever has signed in from a thousand networks before would guess from each."""
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


@pytest.fixture
async def required(settings: Settings, clock: MovableClock, mailbox: Mailbox) -> World:  # type: ignore[misc] # a generator
    """The service where addresses are to be proven first."""
    del mailbox  # asked for because the settings point at it
    changed = settings.model_copy(update={"verify_email": "required"})
    async with World(changed, clock) as world:
        yield world


async def test_40_the_owner_s_link_lives_whoever_signs_up_after(
    required: World, mailbox: Mailbox
) -> None:
    await sign_up(required, password=PASSWORD)
    of_owner = await token_from(mailbox, subject=CONFIRM)
    await sign_up(required, password=EVES)
    await mailbox.next(subject=CONFIRM)

    by_password = await confirm_email(required, of_owner, PASSWORD)

    assert by_password.status_code == 200


async def test_40_the_owner_s_link_alone_lives_whoever_signs_up_after(
    required: World, mailbox: Mailbox
) -> None:
    await sign_up(required, password=PASSWORD)
    of_owner = await token_from(mailbox, subject=CONFIRM)
    await sign_up(required, password=EVES)
    await mailbox.next(subject=CONFIRM)

    alone = await confirm_email(required, of_owner)

    assert alone.status_code == 200
    assert (await recover(required, alone.json()["token"])).status_code == 204


async def test_40_no_link_that_the_owner_asks_for_activates_a_stranger_s_password(
    required: World, mailbox: Mailbox
) -> None:
    await sign_up(required, password=PASSWORD)
    await sign_up(required, password=EVES)
    await mailbox.settled(required)
    mailbox.mails.clear()
    await ask(required, "/verify-email/request")

    await confirm_email(required, await token_from(mailbox, subject=CONFIRM))

    assert (await required.attempt_login(password=EVES)).status_code == 401


@pytest.mark.parametrize("first", [True, False])
async def test_40_the_password_that_the_reader_types_is_the_one_that_counts(
    required: World, mailbox: Mailbox, first: bool
) -> None:
    """Whoever signed up last, and whichever of the mails is opened."""
    sign_ups = [(PASSWORD, "Ada"), (EVES, "Eve")]
    for password, name in sign_ups if first else reversed(sign_ups):
        await sign_up(required, password=password, name=name)
    await mailbox.settled(required)
    for mail in list(mailbox.mails)[::-1]:
        (token,) = mail.tokens()
        assert (await confirm_email(required, token, "neither of them")).status_code == 401

    ada = SignedIn.of(await confirm_email(required, token, PASSWORD))

    assert (await required.me(ada)).json()["name"] == "Ada"
    assert (await required.attempt_login(password=EVES)).status_code == 401


async def test_40_a_name_that_stands_in_the_account_is_not_the_owner_s(
    required: World, mailbox: Mailbox
) -> None:
    """As a release before kept the name of the first who signed up."""
    await sign_up(required, password=EVES)
    await mailbox.next(subject=CONFIRM)
    await required.db.execute("UPDATE users SET name = 'Eve was here'")
    await sign_up(required, password=PASSWORD)

    token = await token_from(mailbox, subject=CONFIRM)
    ada = SignedIn.of(await confirm_email(required, token, PASSWORD))

    assert (await required.me(ada)).json()["name"] is None


async def test_40_later_sign_ups_push_no_owner_s_password_out(
    required: World, mailbox: Mailbox, clock: MovableClock
) -> None:
    await sign_up(required, password=PASSWORD)
    of_owner = await token_from(mailbox, subject=CONFIRM)
    clock.advance(60)
    for number in range(5):
        await sign_up(required, password=f"{EVES} {number}")
    await mailbox.settled(required)

    assert (await confirm_email(required, of_owner, PASSWORD)).status_code == 200


async def test_40_one_click_verifies_no_stranger_s_session(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    async with World(settings.model_copy(update={"verify_email": "optional"}), clock) as world:
        eve = await register_as_eve(world)

        await confirm_email(world, await token_from(mailbox, subject=CONFIRM))

        assert (await world.me(eve)).status_code == 401


async def test_40_an_account_from_before_the_switch_is_its_owner_s(
    world: World, settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    eve = await register_as_eve(world)
    switched = settings.model_copy(update={"verify_email": "required"})
    async with World(switched, clock) as required:
        await ask(required, "/verify-email/request")

        await confirm_email(required, await token_from(mailbox, subject=CONFIRM))

        assert (await required.me(eve)).status_code == 401
        assert (await required.attempt_login(password=EVES)).status_code == 401


async def test_41_an_unproven_account_that_registered_itself_gets_no_role(world: World) -> None:
    root = await world.make_admin()
    await register_as_eve(world)
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email_normal = $1", ADA)

    for role in ("moderator", "admin"):
        for method in ("PUT", "PATCH"):
            answer = await world.api.request(
                method, f"/admin/users/{user_id}", json={"role": role}, headers=root.headers
            )
            assert (answer.status_code, answer.json().get("code")) == (409, "email_unverified")

    assert await world.db.fetchval("SELECT role FROM users WHERE id = $1", user_id) == "user"


async def test_41_an_unproven_account_adds_no_factor(world: World, clock: MovableClock) -> None:
    eve = await register_as_eve(world)

    answers = [
        await world.api.post("/me/factors/totp", json={"name": "x"}, headers=eve.headers),
        await world.api.post("/me/factors/passkeys/options", headers=eve.headers),
    ]

    assert [(one.status_code, one.json().get("code")) for one in answers] == [
        (403, "email_unverified")
    ] * 2


async def test_41_a_waiting_sign_up_gives_way_to_an_owner_who_moves_there(
    required: World, mailbox: Mailbox
) -> None:
    await sign_up(required, "new@example.com", EVES, name="Eve")
    await mailbox.next(to="new@example.com")
    await required.make_user()
    ada = await required.log_in()

    await required.api.post("/me/email", json={"email": "new@example.com"}, headers=ada.headers)
    mail = await mailbox.next(to="new@example.com")
    assert mail.subject == "Confirm your new e-mail address"
    (token,) = mail.tokens()
    moved = await required.api.post("/me/email/confirm", json={"token": token}, headers=ada.headers)

    assert moved.status_code == 204
    assert await required.db.fetchval("SELECT count(*) FROM users") == 1


async def test_41_a_waiting_sign_up_gives_way_to_an_administrator(
    required: World, mailbox: Mailbox
) -> None:
    root = await required.make_admin()
    await sign_up(required, password=EVES, name="Eve")
    of_eve = await token_from(mailbox, subject=CONFIRM)

    made = await required.api.post(
        "/admin/users", json={"email": ADA, "role": "moderator"}, headers=root.headers
    )

    assert made.status_code == 201
    assert (await confirm_email(required, of_eve)).status_code == 400
    assert made.json()["name"] is None


async def test_41_a_waiting_sign_up_is_removed_seven_days_after_its_last_link_died(
    required: World, mailbox: Mailbox, clock: MovableClock
) -> None:
    await sign_up(required, password=EVES)
    await mailbox.settled(required)
    clock.advance(days=6)
    await ask(required, "/verify-email/request")
    await mailbox.settled(required)

    async def still_there() -> bool:
        for chore in required.wiring.worker.chores:
            if chore.name in {"old links", "old sign-ups"}:
                await chore.run()
        return bool(await required.db.fetchval("SELECT count(*) FROM users"))

    clock.advance(days=7)
    assert await still_there()
    clock.advance(1801)
    assert not await still_there()


async def test_41_an_account_that_an_operator_wrote_by_sql_is_no_sign_up(
    required: World, clock: MovableClock
) -> None:
    """Imported without a hash: its user is to choose a password by a link."""
    await required.db.execute(
        "INSERT INTO users (id, email, email_normal, name, created_at, updated_at)"
        " VALUES (gen_random_uuid(), $1, $1, 'Ada', $2, $2)",
        ADA,
        clock.now(),
    )
    clock.advance(days=9)

    for chore in required.wiring.worker.chores:
        if chore.name in {"old links", "old sign-ups"}:
            await chore.run()

    assert await required.db.fetchval("SELECT count(*) FROM users") == 1


async def guess_and_ask(world: World) -> None:
    """Do from two addresses what keeps an owner on a new address out: 40 guesses, 20 requests."""
    for number in range(40):
        client = world.client(f"198.51.100.{number % 2}")
        await world.attempt_login(ADA, f"guess {number}", by=client)
    for number in range(20):
        client = world.client(f"198.51.100.{number % 2}")
        await client.post("/recover/request", json={"email": ADA})


async def test_42_an_owner_on_a_new_address_recovers_whatever_others_ask_for(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    async with World(settings.model_copy(update={"limits": "on"}), clock) as world:
        await world.make_user()
        await guess_and_ask(world)
        await mailbox.settled(world)
        clock.advance(31 * 60)  # the half hour of the links has passed, the hour of the caps not
        await guess_and_ask(world)
        owner = world.client("192.0.2.9")

        await owner.post("/recover/request", json={"email": ADA})
        await mailbox.settled(world)

        tokens = [token for mail in mailbox.mails for token in mail.tokens()]
        answers = [await recover(world, token, address="192.0.2.9") for token in tokens[::-1]]
        assert 204 in [answer.status_code for answer in answers]
        signed_in = await world.attempt_login(ADA, OTHER, by=owner)
        assert signed_in.status_code == 200


async def test_42_a_stranger_s_request_kills_no_link_of_the_owner(
    world: World, mailbox: Mailbox
) -> None:
    await world.make_user()
    of_owner = await recovery_token(world, mailbox)
    await recovery_token(world, mailbox)  # the stranger's, whose mail the owner gets, too

    assert (await recover(world, of_owner)).status_code == 204


async def test_42_a_stranger_s_request_kills_no_invitation(world: World, mailbox: Mailbox) -> None:
    root = await world.make_admin()
    await world.api.post("/admin/users", json={"email": ADA}, headers=root.headers)
    invited = await token_from(mailbox, subject="You are invited")
    await recovery_token(world, mailbox)

    assert (await recover(world, invited)).status_code == 204


async def test_42_who_knows_the_password_kills_no_link_of_the_owner(
    world: World, mailbox: Mailbox
) -> None:
    """Threat: one new password a minute, and no link lives until it is opened."""
    eve = await register_as_eve(world)
    of_owner = await recovery_token(world, mailbox)

    body = {"current_password": EVES, "password": "another of the stranger's"}
    assert (await world.api.post("/me/password", json=body, headers=eve.headers)).status_code == 200

    assert (await recover(world, of_owner)).status_code == 204


async def change_status(world: World, root: SignedIn, status: str) -> None:
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email_normal = $1", ADA)
    answer = await world.api.patch(
        f"/admin/users/{user_id}", json={"status": status}, headers=root.headers
    )
    assert answer.status_code == 200


BringLink = Callable[[World, Mailbox], Awaitable[Callable[[], Awaitable[httpx.Response]]]]


async def of_recovery(world: World, mailbox: Mailbox) -> Callable[[], Awaitable[httpx.Response]]:
    token = await recovery_token(world, mailbox)
    return lambda: recover(world, token)


async def of_invitation(world: World, mailbox: Mailbox) -> Callable[[], Awaitable[httpx.Response]]:
    root = await world.log_in("root@example.com")
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email_normal = $1", ADA)
    await world.api.post(f"/admin/users/{user_id}/invite", headers=root.headers)
    token = await token_from(mailbox, subject="You are invited")
    return lambda: recover(world, token)


async def of_verification(
    world: World, mailbox: Mailbox
) -> Callable[[], Awaitable[httpx.Response]]:
    await ask(world, "/verify-email/request")
    token = await token_from(mailbox, subject=CONFIRM)
    return lambda: confirm_email(world, token)


@pytest.mark.parametrize("bring", [of_recovery, of_invitation, of_verification])
@pytest.mark.parametrize("is_unblocked", [False, True])
async def test_47_a_link_from_before_a_block_is_dead(
    world: World, mailbox: Mailbox, bring: BringLink, is_unblocked: bool
) -> None:
    root = await world.make_admin()
    await register_as_eve(world)
    use = await bring(world, mailbox)
    await change_status(world, root, "blocked")
    if is_unblocked:
        await change_status(world, root, "active")

    assert (await use()).status_code == 400

    assert (await world.attempt_login(password=OTHER)).status_code == 401
    assert (
        await world.db.fetchval("SELECT email_verified_at FROM users WHERE email_normal = $1", ADA)
        is None
    )


async def move_by_administrator(world: World, root: SignedIn) -> None:
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email_normal = $1", ADA)
    moved = {"email": "ada@example.org"}
    path = f"/admin/users/{user_id}"
    assert (await world.api.patch(path, json=moved, headers=root.headers)).status_code == 200


async def block_for_a_while(world: World, root: SignedIn) -> None:
    await change_status(world, root, "blocked")
    await change_status(world, root, "active")


@pytest.mark.parametrize("end", ["proof", "recovery", move_by_administrator, block_for_a_while])
async def test_47_a_change_of_address_that_was_asked_for_before_is_not_gone_on_with(
    world: World, mailbox: Mailbox, end: str | Callable[[World, SignedIn], Awaitable[None]]
) -> None:
    """Nor where its link was not sent yet: a stranger asks in the moment before the owner comes."""
    root = await world.make_admin()
    eve = await register_as_eve(world)
    recovering = await recovery_token(world, mailbox)
    await ask(world, "/verify-email/request")
    proving = await token_from(mailbox, subject=CONFIRM)
    await world.wiring.runner.stop()
    elsewhere = {"email": "eve@example.org"}
    asked = await world.api.post("/me/email", json=elsewhere, headers=eve.headers)
    assert asked.status_code == 202

    if end == "proof":
        assert (await confirm_email(world, proving)).status_code == 200
    elif isinstance(end, str):
        assert (await recover(world, recovering)).status_code == 204
    else:
        await end(world, root)
    await world.wiring.runner.start()

    await mailbox.assert_none(world, to="eve@example.org")
    left = await world.db.fetchval(
        "SELECT count(*) FROM one_time_tokens WHERE kind = 'change_email'"
    )
    assert left == 0
