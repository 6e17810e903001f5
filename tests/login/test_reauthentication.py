"""Re-authentication, and the requests that need it."""

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import (
    add_totp,
    ask_for_factor,
    begin_totp,
    confirm_totp,
    show_factor,
    wrong_code,
)
from tests.fixtures.hostile import claims_of
from tests.fixtures.world import OUR_API, PASSWORD, SignedIn, World

from keyfob.settings import Settings

CHALLENGE = 'Bearer error="insufficient_user_authentication", max_age="300"'


async def reauthenticate(world: World, signed_in: SignedIn, **proof: object) -> httpx.Response:
    return await world.api.post("/me/reauthenticate", json=proof, headers=signed_in.headers)


async def begin(world: World, signed_in: SignedIn) -> httpx.Response:
    return await world.api.post(
        "/me/factors/totp", json={"name": "Phone"}, headers=signed_in.headers
    )


async def aged(world: World, signed_in: SignedIn, clock: MovableClock) -> SignedIn:
    """Let the sign-in grow older than it may be, and the tokens new."""
    clock.advance(301)
    return SignedIn.of(await world.refresh(signed_in.refresh))


async def test_an_old_sign_in_is_asked_for_a_new_one(world: World, clock: MovableClock) -> None:
    await world.make_user()
    ada = await world.log_in()
    clock.advance(299)
    assert (await begin(world, ada)).status_code == 201
    clock.advance(2)
    ada = SignedIn.of(await world.refresh(ada.refresh))

    answer = await begin(world, ada)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (401, "insufficient_user_authentication")
    assert problem["max_age"] == 300
    assert answer.headers["www-authenticate"] == f"{CHALLENGE}, {OUR_API}"


async def test_the_password_makes_it_recent(world: World, clock: MovableClock) -> None:
    await world.make_user()
    old = await aged(world, await world.log_in(), clock)

    new = SignedIn.of(await reauthenticate(world, old, password=PASSWORD))

    told = claims_of(new.access)
    assert new.session_id == old.session_id
    assert (told["auth_time"], told["amr"]) == (clock.timestamp(), ["pwd"])
    assert (await begin(world, new)).status_code == 201
    # The tokens before are dead, at once and for good.
    assert (await world.me(old)).status_code == 401
    assert (await world.refresh(old.refresh)).status_code == 401
    assert (await world.refresh(new.refresh)).status_code == 200


async def test_a_wrong_password_is_refused_logged_and_changes_nothing(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    ada = await aged(world, await world.log_in(), clock)

    answer = await reauthenticate(world, ada, password="wrong horse")

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    assert (await world.me(ada)).status_code == 200
    assert (await begin(world, ada)).status_code == 401
    assert (await world.login_log())[-1]["reason"] == "wrong_password"


async def test_where_a_factor_is_set_the_factor_is_asked(world: World, clock: MovableClock) -> None:
    await world.make_user()
    ada = await world.log_in()
    app = await add_totp(world, ada, clock)
    ada = await aged(world, ada, clock)

    refused = await reauthenticate(world, ada, password=PASSWORD)
    proven = SignedIn.of(await reauthenticate(world, ada, code=app.code()))

    assert refused.json()["code"] == "insufficient_user_authentication"
    assert refused.headers["www-authenticate"] == f'{CHALLENGE}, acr_values="aal2", {OUR_API}'
    told = claims_of(proven.access)
    assert (told["auth_time"], told["acr"]) == (clock.timestamp(), "aal2")
    assert told["amr"] == ["pwd", "otp", "mfa"]
    assert (await begin(world, proven)).status_code == 201
    assert (await world.login_log())[-1]["reason"] == "reauthenticated"


async def test_a_session_from_before_the_factor_has_to_show_it(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    laptop, phone = await world.log_in(), await world.log_in()
    app = await add_totp(world, phone, clock)
    clock.advance(30)

    answer = await begin(world, laptop)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == f'{CHALLENGE}, acr_values="aal2", {OUR_API}'
    assert answer.json()["acr_values"] == "aal2"
    assert (await world.me(laptop)).status_code == 200  # what is not dangerous goes on
    laptop = SignedIn.of(await reauthenticate(world, laptop, code=app.code()))
    assert (await begin(world, laptop)).status_code == 201


async def test_a_code_is_dead_wherever_it_was_used(world: World, clock: MovableClock) -> None:
    await world.make_user()
    ada = await world.log_in()
    app = await add_totp(world, ada, clock)
    clock.advance(30)
    ada = SignedIn.of(await reauthenticate(world, ada, code=app.code()))

    again = await reauthenticate(world, ada, code=app.code())
    at_sign_in = await show_factor(world, await ask_for_factor(world), code=app.code())

    assert [(one.status_code, one.json()["code"]) for one in (again, at_sign_in)] == [
        (401, "invalid_factor")
    ] * 2


async def test_without_a_factor_a_code_proves_nothing(world: World, clock: MovableClock) -> None:
    await world.make_user()
    ada = await world.log_in()
    begun = await begin_totp(world, ada, clock)

    answer = await reauthenticate(world, ada, code=begun.code())

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_factor")


@pytest.mark.parametrize(
    "proof",
    [
        {},
        {"password": None},
        {"password": PASSWORD, "code": "123456"},
        {"recovery_code": "k3m9-x0ra-7t2e-w8vd"},
        {"challenge_id": "01890000-0000-7000-8000-000000000000"},
        {"password": PASSWORD, "challenge_id": "01890000-0000-7000-8000-000000000000"},
    ],
)
async def test_one_proof_is_given_and_no_half_of_one(
    world: World, proof: dict[str, object]
) -> None:
    await world.make_user()

    answer = await reauthenticate(world, await world.log_in(), **proof)

    assert answer.status_code == 422


async def test_an_ended_session_cannot_be_renewed(world: World) -> None:
    await world.make_user()
    ada = await world.log_in()
    await world.api.delete("/logout", headers=ada.headers)

    assert (await reauthenticate(world, ada, password=PASSWORD)).status_code == 401


async def test_a_thief_who_began_first_is_not_let_in_beside_the_owner(
    world: World, clock: MovableClock
) -> None:
    """Both hold a session without factor; the owner's factor is confirmed in between."""
    await world.make_user()
    thief, owner = await world.log_in(), await world.log_in()
    theirs = await begin_totp(world, thief, clock)
    await add_totp(world, owner, clock)

    answer = await confirm_totp(world, thief, theirs)

    assert answer.status_code in {401, 404}
    assert await world.db.fetchval("SELECT count(confirmed_at) FROM factors") == 1
    assert claims_of(SignedIn.of(await world.refresh(thief.refresh)).access)["acr"] == "aal1"


CHANGES = [
    ("POST", "/me/factors/totp", {"name": "Mine"}),
    ("POST", "/me/factors/totp/{id}/confirm", {"code": "123456"}),
    ("POST", "/me/factors/passkeys/options", None),
    ("PATCH", "/me/factors/{id}", {"name": "Mine"}),
    ("DELETE", "/me/factors/{id}", None),
    ("POST", "/me/factors/recovery-codes", None),
    ("POST", "/me/password", {"current_password": PASSWORD, "password": "quite another horse"}),
    ("POST", "/me/email", {"email": "eve@example.com"}),
    ("DELETE", "/me", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
class TestWhatAThiefWouldChangeFirst:
    async def test_needs_a_recent_sign_in(
        self,
        world: World,
        clock: MovableClock,
        method: str,
        path: str,
        body: dict[str, str] | None,
    ) -> None:
        await world.make_user()
        ada = await world.log_in()
        app = await add_totp(world, ada, clock)
        ada = await aged(world, ada, clock)

        answer = await world.api.request(
            method, path.format(id=app.id), json=body, headers=ada.headers
        )

        assert (answer.status_code, answer.json()["code"]) == (
            401,
            "insufficient_user_authentication",
        )
        assert answer.headers["www-authenticate"] == f"{CHALLENGE}, {OUR_API}"

    async def test_needs_the_factor_where_one_is_set(
        self,
        world: World,
        clock: MovableClock,
        method: str,
        path: str,
        body: dict[str, str] | None,
    ) -> None:
        await world.make_user()
        laptop, phone = await world.log_in(), await world.log_in()
        app = await add_totp(world, phone, clock)

        answer = await world.api.request(
            method, path.format(id=app.id), json=body, headers=laptop.headers
        )

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == f'{CHALLENGE}, acr_values="aal2", {OUR_API}'


class TestThrottle:
    """A stolen access token is worth no guess more than a sign-in."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(
            update={"limits": "on", "limit_factor": "4/hour", "limit_login_pair": "4/hour"}
        )

    async def test_of_codes(self, world: World, clock: MovableClock) -> None:
        await world.make_user()
        ada = await world.log_in()
        app = await add_totp(world, ada, clock)
        clock.advance(30)
        token = await ask_for_factor(world)
        for _ in range(2):
            await show_factor(world, token, code=wrong_code(app))
            await reauthenticate(world, ada, code=wrong_code(app))

        for answer in (
            await reauthenticate(world, ada, code=app.code()),
            await show_factor(world, token, code=app.code()),
        ):
            assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")

    async def test_of_codes_by_one_session_leaves_the_owner_some(
        self, world: World, clock: MovableClock
    ) -> None:
        """A stolen session, without the password, keeps nobody out."""
        await world.make_user()
        stolen, phone = await world.log_in(), await world.log_in()
        app = await add_totp(world, phone, clock)
        clock.advance(30)

        wrong = [await reauthenticate(world, stolen, code=wrong_code(app)) for _ in range(6)]
        right = await show_factor(world, await ask_for_factor(world), code=app.code())

        assert [answer.status_code for answer in wrong] == [401, 401, 429, 429, 429, 429]
        assert right.status_code == 200

    async def test_of_passwords(self, world: World) -> None:
        await world.make_user()
        ada = await world.log_in()
        for _ in range(4):
            assert (await reauthenticate(world, ada, password="wrong")).status_code == 401

        assert (await reauthenticate(world, ada, password=PASSWORD)).status_code == 429
        at_sign_in = await world.attempt_login()
        assert at_sign_in.status_code == 429


async def test_throttled_codes_are_refused_and_logged_once_a_minute(
    settings: Settings, clock: MovableClock
) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_factor": "4/hour"})
    async with World(limited, clock) as world:
        await world.make_user()
        ada = await world.log_in()
        app = await add_totp(world, ada, clock)
        answers = [await reauthenticate(world, ada, code=wrong_code(app)) for _ in range(5)]
        reasons = [row["reason"] for row in await world.login_log()]

    assert [answer.status_code for answer in answers] == [401, 401, 429, 429, 429]
    # Of one moment, so in any order.
    assert sorted(reasons) == ["password", "too_many_attempts", "wrong_factor", "wrong_factor"]
