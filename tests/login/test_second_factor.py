"""The second step of a sign-in: what it asks, what it takes, and what gains nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import (
    Authenticator,
    add_totp,
    ask_for_factor,
    show_factor,
    wrong_code,
)
from tests.fixtures.hostile import claims_of
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.core.origin import Origin
from keyfob.login.pending import PendingLogins
from keyfob.mfa.service import Factors
from keyfob.settings import Settings

NEW_KEY = "another secret key that only the tests know"


@pytest.fixture
async def app(world: World, clock: MovableClock) -> Authenticator:
    """Ada's authenticator; the code that confirmed it is spent, and the next one is good."""
    await world.make_user()
    app = await add_totp(world, await world.log_in(), clock)
    clock.advance(30)
    return app


async def assert_refused(world: World, mfa_token: str, **factor: object) -> None:
    answer = await show_factor(world, mfa_token, **factor)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_factor")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_right_password_asks_for_a_factor(world: World, app: Authenticator) -> None:
    answer = await world.api.post("/login", json={"email": "ada@example.com", "password": PASSWORD})

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (401, "mfa_required")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["cache-control"] == "no-store"
    assert problem["mfa_token"].startswith("kfm_")
    assert problem["expires_in"] == 300
    assert problem["factors"] == [{"id": app.id, "type": "totp", "name": "Phone"}]
    assert "access_token" not in problem


async def test_a_wrong_password_tells_nothing_of_factors(world: World, app: Authenticator) -> None:
    known = await world.attempt_login(password="wrong")
    unknown = await world.attempt_login("bob@example.com", "wrong")

    told = [{**answer.json(), "request_id": ""} for answer in (known, unknown)]
    assert told[0] == told[1]
    assert told[0]["code"] == "invalid_credentials"


async def test_a_code_signs_in(world: World, app: Authenticator) -> None:
    token = await ask_for_factor(world)

    ada = SignedIn.of(await show_factor(world, token, code=app.code()))

    told = claims_of(ada.access)
    assert (told["acr"], told["amr"]) == ("aal2", ["pwd", "otp", "mfa"])
    assert (await world.me(ada)).status_code == 200
    factors = await world.api.get("/me/factors", headers=ada.headers)
    assert factors.json()["factors"][0]["last_used_at"] == "2026-11-22T12:00:30Z"


async def test_a_code_of_the_step_before_and_after_is_taken(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    clock.advance(300)
    for steps in (-1, 1):
        token = await ask_for_factor(world)
        assert (await show_factor(world, token, code=app.code(steps))).status_code == 200


async def test_a_code_two_steps_away_is_not(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    clock.advance(300)
    token = await ask_for_factor(world)
    near = {app.code(steps) for steps in (-1, 0, 1)}

    for steps in (-2, 2):
        assert app.code(steps) not in near
        await assert_refused(world, token, code=app.code(steps))


async def test_a_code_used_once_is_dead_and_so_is_the_one_before(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    clock.advance(300)
    before, used = app.code(-1), app.code()
    first = await ask_for_factor(world)
    assert (await show_factor(world, first, code=used)).status_code == 200

    again = await ask_for_factor(world)
    await assert_refused(world, again, code=used)
    await assert_refused(world, again, code=before)
    assert (await show_factor(world, again, code=app.code(1))).status_code == 200


async def test_the_code_that_confirmed_it_is_dead(world: World, clock: MovableClock) -> None:
    await world.make_user()
    app = await add_totp(world, await world.log_in(), clock)

    await assert_refused(world, await ask_for_factor(world), code=app.code())


async def test_any_of_several_authenticators_will_do(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    token = await ask_for_factor(world)
    ada = SignedIn.of(await show_factor(world, token, code=app.code()))
    tablet = await add_totp(world, ada, clock, "Tablet")
    clock.advance(30)

    for one in (tablet, app):
        token = await ask_for_factor(world)
        assert (await show_factor(world, token, code=one.code())).status_code == 200


@pytest.mark.parametrize("typed", ["{}", " {} ", "{}-"])
async def test_a_recovery_code_signs_in_once_however_it_is_typed(
    world: World, app: Authenticator, typed: str
) -> None:
    code = typed.format(app.recovery_codes[3].replace("-", " ").upper())
    ada = SignedIn.of(await show_factor(world, await ask_for_factor(world), recovery_code=code))

    assert claims_of(ada.access)["acr"] == "aal2"
    factors = await world.api.get("/me/factors", headers=ada.headers)
    assert factors.json()["recovery_codes_left"] == 9
    await assert_refused(world, await ask_for_factor(world), recovery_code=app.recovery_codes[3])
    other = await show_factor(
        world, await ask_for_factor(world), recovery_code=app.recovery_codes[4]
    )
    assert other.status_code == 200


async def test_new_recovery_codes_kill_the_old(world: World, app: Authenticator) -> None:
    ada = SignedIn.of(
        await show_factor(world, await ask_for_factor(world), recovery_code=app.recovery_codes[0])
    )

    answer = await world.api.post("/me/factors/recovery-codes", headers=ada.headers)

    codes = answer.raise_for_status().json()["recovery_codes"]
    assert len(set(codes) | set(app.recovery_codes)) == 20
    await assert_refused(world, await ask_for_factor(world), recovery_code=app.recovery_codes[1])
    token = await ask_for_factor(world)
    assert (await show_factor(world, token, recovery_code=codes[0])).status_code == 200


async def test_recovery_codes_need_a_factor(world: World) -> None:
    await world.make_user()
    ada = await world.log_in()

    answer = await world.api.post("/me/factors/recovery-codes", headers=ada.headers)

    assert (answer.status_code, answer.json()["code"]) == (409, "no_factor")


async def test_the_token_works_once(world: World, app: Authenticator, clock: MovableClock) -> None:
    token = await ask_for_factor(world)
    assert (await show_factor(world, token, code=app.code())).status_code == 200
    clock.advance(30)

    await assert_refused(world, token, code=app.code())
    await assert_refused(world, token, recovery_code=app.recovery_codes[0])
    assert await world.db.fetchval("SELECT count(*) FROM recovery_codes") == 10


async def test_the_token_lives_five_minutes(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    token = await ask_for_factor(world)
    clock.advance(300)

    await assert_refused(world, token, code=app.code())
    await world.service(PendingLogins).clean_up()
    assert await world.db.fetchval("SELECT count(*) FROM pending_logins") == 0


async def test_the_token_is_good_for_five_attempts(world: World, app: Authenticator) -> None:
    token = await ask_for_factor(world)
    for _ in range(5):
        await assert_refused(world, token, code=wrong_code(app))

    await assert_refused(world, token, code=app.code())
    again = await ask_for_factor(world)
    assert (await show_factor(world, again, code=app.code())).status_code == 200


async def test_every_refusal_is_alike(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    spent, expired = await ask_for_factor(world), await ask_for_factor(world)
    await show_factor(world, spent, code=app.code())
    clock.advance(301)
    wrong = await ask_for_factor(world)

    answers = [
        await show_factor(world, spent, code=app.code()),
        await show_factor(world, expired, code=app.code()),
        await show_factor(world, "kfm_" + "A" * 43, code=app.code()),
        await show_factor(world, "nonsense", code=app.code()),
        await show_factor(world, wrong, code=wrong_code(app)),
        await show_factor(world, wrong, recovery_code="0000-0000-0000-0000"),
    ]

    told = [(one.status_code, {**one.json(), "request_id": ""}) for one in answers]
    assert all(one == told[0] for one in told)


@pytest.mark.parametrize(
    "factor",
    [
        {},
        {"code": None},
        {"code": ""},
        {"recovery_code": ""},
        {"credential": {}},
        {"code": "123456", "recovery_code": "k3m9-x0ra-7t2e-w8vd"},
        {"code": 123456},
        {"code": ["123456"]},
        {"password": PASSWORD},
        {"code": "123456", "attempts_left": 9},
    ],
)
async def test_no_factor_and_many_at_once_do_not_fit(
    world: World, app: Authenticator, factor: dict[str, object]
) -> None:
    token = await ask_for_factor(world)

    answer = await show_factor(world, token, **factor)

    assert answer.status_code == 422
    assert (await show_factor(world, token, code=app.code())).status_code == 200


async def test_another_s_code_is_no_code(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    await world.make_user("eve@example.com")
    hers = await add_totp(world, await world.log_in("eve@example.com"), clock)
    clock.advance(30)

    token = await ask_for_factor(world)
    await assert_refused(world, token, code=hers.code())
    await assert_refused(world, token, recovery_code=hers.recovery_codes[0])


async def test_the_token_opens_nothing_else(world: World, app: Authenticator) -> None:
    token = await ask_for_factor(world)

    answers = {
        "access": await world.api.get("/me", headers={"Authorization": f"Bearer {token}"}),
        "factors": await world.api.get("/me/factors", headers={"Authorization": f"Bearer {token}"}),
        "reauthenticate": await world.api.post(
            "/me/reauthenticate",
            json={"code": app.code()},
            headers={"Authorization": f"Bearer {token}"},
        ),
        "refresh": await world.refresh(token),
        "link": await world.api.post(
            "/recover/confirm", json={"token": token, "password": "quite another horse"}
        ),
        "verify": await world.api.post("/verify-email/confirm", json={"token": token}),
    }

    assert {name: answer.status_code for name, answer in answers.items()} == {
        "access": 401,
        "factors": 401,
        "reauthenticate": 401,
        "refresh": 401,
        "link": 400,
        "verify": 400,
    }
    assert (await show_factor(world, token, code=app.code())).status_code == 200


async def test_tokens_of_other_kinds_end_no_wait(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    ada = SignedIn.of(await show_factor(world, await ask_for_factor(world), code=app.code()))
    clock.advance(30)

    for token in (ada.access, ada.refresh, ada.session_id):
        answer = await show_factor(world, token, code=app.code())
        assert answer.status_code in {401, 422}


async def test_a_blocked_account_is_told_so_after_the_factor(
    world: World, app: Authenticator
) -> None:
    await world.db.execute("UPDATE users SET status = 'blocked'")
    token = await ask_for_factor(world)
    await assert_refused(world, token, code=wrong_code(app))

    answer = await show_factor(world, token, code=app.code())

    assert (answer.status_code, answer.json()["code"]) == (403, "account_blocked")
    reasons = [row["reason"] for row in await world.login_log() if row["outcome"] == "refused"]
    assert sorted(reasons) == ["account_blocked", "wrong_factor"]


async def test_a_password_to_be_changed_is_told_after_the_factor(
    world: World, app: Authenticator
) -> None:
    await world.db.execute("UPDATE users SET must_change_password = true")
    token = await ask_for_factor(world)

    answer = await show_factor(world, token, code=app.code())

    assert (answer.status_code, answer.json()["code"]) == (403, "password_change_required")
    assert answer.json()["token"].startswith("kfl_")


async def test_both_steps_are_one_line_of_the_login_log(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    token = await ask_for_factor(world)
    await show_factor(world, token, code=wrong_code(app))
    clock.advance(1)
    await show_factor(world, token, code=app.code())
    clock.advance(1)
    token = await ask_for_factor(world)
    await show_factor(world, token, recovery_code=app.recovery_codes[0])

    told = [(row["outcome"], row["reason"]) for row in await world.login_log()]
    assert told[1:] == [
        ("refused", "wrong_factor"),
        ("succeeded", "password_and_code"),
        ("succeeded", "password_and_recovery_code"),
    ]


async def test_logging_out_everywhere_ends_waits(world: World, app: Authenticator) -> None:
    ada = SignedIn.of(await show_factor(world, await ask_for_factor(world), code=app.code()))
    token = await ask_for_factor(world)

    await world.api.delete("/logout-all", headers=ada.headers)

    await assert_refused(world, token, recovery_code=app.recovery_codes[0])


async def test_a_new_password_ends_waits(world: World, app: Authenticator) -> None:
    ada = SignedIn.of(await show_factor(world, await ask_for_factor(world), code=app.code()))
    token = await ask_for_factor(world)
    answer = await world.api.post(
        "/me/password",
        json={"current_password": PASSWORD, "password": "quite another horse"},
        headers=ada.headers,
    )
    assert answer.status_code == 200

    await assert_refused(world, token, recovery_code=app.recovery_codes[0])


async def test_a_block_ends_waits_for_good(world: World, app: Authenticator) -> None:
    token = await ask_for_factor(world)
    admin = await world.make_admin()
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email = 'ada@example.com'")
    for status in ("blocked", "active"):
        await world.api.patch(
            f"/admin/users/{user_id}", json={"status": status}, headers=admin.headers
        )

    await assert_refused(world, token, recovery_code=app.recovery_codes[0])


async def test_a_password_changed_while_it_was_checked_begins_no_wait(
    world: World, app: Authenticator
) -> None:
    pending = world.service(PendingLogins)
    user_id = await world.db.fetchval("SELECT id FROM users")

    async with world.db.begin() as tx:
        token = await pending.begin(
            tx, user_id, "the hash of the password before", ("pwd",), Origin("203.0.113.7", "")
        )

    assert token is None


class TestRaces:
    """Of many requests at once with one thing that works once, one wins."""

    async def test_of_one_token_with_many_recovery_codes(
        self, world: World, app: Authenticator
    ) -> None:
        token = await ask_for_factor(world)

        answers = await asyncio.gather(
            *(show_factor(world, token, recovery_code=code) for code in app.recovery_codes[:5])
        )

        assert sorted(answer.status_code for answer in answers) == [200, *[401] * 4]
        # What the losers showed is not spent.
        assert await world.db.fetchval("SELECT count(*) FROM recovery_codes") == 9
        assert await world.db.fetchval("SELECT count(*) FROM sessions") == 2

    async def test_of_one_code_with_many_tokens(self, world: World, app: Authenticator) -> None:
        tokens = [await ask_for_factor(world) for _ in range(8)]

        answers = await asyncio.gather(
            *(show_factor(world, token, code=app.code()) for token in tokens)
        )

        assert sorted(answer.status_code for answer in answers) == [200, *[401] * 7]

    async def test_of_one_recovery_code_with_many_tokens(
        self, world: World, app: Authenticator
    ) -> None:
        tokens = [await ask_for_factor(world) for _ in range(8)]

        answers = await asyncio.gather(
            *(show_factor(world, token, recovery_code=app.recovery_codes[0]) for token in tokens)
        )

        assert sorted(answer.status_code for answer in answers) == [200, *[401] * 7]

    async def test_of_wrong_codes_at_once_five_are_looked_at(
        self, world: World, app: Authenticator
    ) -> None:
        token = await ask_for_factor(world)

        await asyncio.gather(*(show_factor(world, token, code=wrong_code(app)) for _ in range(12)))

        reasons = [row["reason"] for row in await world.login_log()]
        assert reasons.count("wrong_factor") == 5


class TestThrottle:
    """Wrong codes are counted per account, whatever tokens they come with."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(
            update={"limits": "on", "limit_factor": "6/hour", "limit_login": "1000/minute"}
        )

    @pytest.fixture
    async def other(self, settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
        """Another worker on the same database."""
        async with World(settings, clock) as world:
            yield world

    async def spend_guesses(self, world: World, app: Authenticator) -> None:
        for _ in range(2):
            token = await ask_for_factor(world)
            for _ in range(3):
                await assert_refused(world, token, code=wrong_code(app))

    async def test_new_tokens_and_other_workers_bring_no_guess_more(
        self, world: World, other: World, app: Authenticator
    ) -> None:
        await self.spend_guesses(world, app)

        for worker in (world, other):
            token = await ask_for_factor(worker)
            answer = await show_factor(worker, token, code=app.code())
            assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
            assert int(answer.headers["retry-after"]) > 0
            await show_factor(worker, token, code=app.code())
        reasons = [row["reason"] for row in await world.login_log()]
        assert reasons.count("too_many_attempts") == 2  # once a minute and worker

    async def test_it_holds_across_a_restart(
        self, world: World, settings: Settings, clock: MovableClock, app: Authenticator
    ) -> None:
        await self.spend_guesses(world, app)

        async with World(settings, clock) as restarted:
            token = await ask_for_factor(restarted)
            answer = await show_factor(restarted, token, code=app.code())
        assert answer.status_code == 429

    async def test_the_owner_gets_in_by_a_recovery_code(
        self, world: World, app: Authenticator
    ) -> None:
        await self.spend_guesses(world, app)

        token = await ask_for_factor(world)
        answer = await show_factor(world, token, recovery_code=app.recovery_codes[0])

        assert answer.status_code == 200

    async def test_who_lacks_the_password_locks_nobody_out(
        self, world: World, app: Authenticator
    ) -> None:
        for number in range(20):
            await show_factor(world, f"kfm_{number}", code="123456")

        token = await ask_for_factor(world)
        assert (await show_factor(world, token, code=app.code())).status_code == 200

    async def test_right_codes_are_not_counted(
        self, world: World, app: Authenticator, clock: MovableClock
    ) -> None:
        for _ in range(8):
            token = await ask_for_factor(world)
            assert (await show_factor(world, token, code=app.code())).status_code == 200
            clock.advance(30)

    async def test_it_opens_again(
        self, world: World, app: Authenticator, clock: MovableClock
    ) -> None:
        await self.spend_guesses(world, app)
        clock.advance(3601)

        token = await ask_for_factor(world)
        assert (await show_factor(world, token, code=app.code())).status_code == 200


async def test_another_worker_and_a_restart_take_the_second_step(
    world: World, settings: Settings, clock: MovableClock, app: Authenticator
) -> None:
    token = await ask_for_factor(world)

    async with World(settings, clock) as other:
        ada = SignedIn.of(await show_factor(other, token, code=app.code()))

    assert (await world.me(ada)).status_code == 200


class TestSecretKey:
    """Secrets open with the keys of KEYFOB_SECRET_KEY, and are sealed anew with the first."""

    @staticmethod
    def with_keys(settings: Settings, *keys: str) -> Settings:
        return settings.model_copy(update={"secret_key": SecretStr(",".join(keys))})

    async def test_a_secret_that_was_used_since_needs_the_old_key_no_more(
        self, world: World, settings: Settings, clock: MovableClock, app: Authenticator
    ) -> None:
        (old,) = settings.secret_keys
        async with World(self.with_keys(settings, NEW_KEY, old), clock) as rotated:
            token = await ask_for_factor(rotated)
            assert (await show_factor(rotated, token, code=app.code())).status_code == 200
            await rotated.wiring.keyring.reseal()
        clock.advance(30)

        async with World(self.with_keys(settings, NEW_KEY), clock) as after:
            token = await ask_for_factor(after)
            assert (await show_factor(after, token, code=app.code())).status_code == 200

    async def test_all_can_be_sealed_anew(
        self, world: World, settings: Settings, clock: MovableClock, app: Authenticator
    ) -> None:
        (old,) = settings.secret_keys
        async with World(self.with_keys(settings, NEW_KEY, old), clock) as rotated:
            factors = rotated.service(Factors)
            assert [await factors.reseal(), await factors.reseal()] == [(1, []), (0, [])]
            await rotated.wiring.keyring.reseal()

        async with World(self.with_keys(settings, NEW_KEY), clock) as after:
            token = await ask_for_factor(after)
            assert (await show_factor(after, token, code=app.code())).status_code == 200

    async def test_without_its_key_a_factor_is_refused_and_recovery_codes_work(
        self, world: World, settings: Settings, clock: MovableClock, app: Authenticator
    ) -> None:
        (old,) = settings.secret_keys
        async with World(self.with_keys(settings, NEW_KEY, old), clock) as rotated:
            await rotated.wiring.keyring.reseal()

        async with World(self.with_keys(settings, NEW_KEY), clock) as after:
            token = await ask_for_factor(after)
            await assert_refused(after, token, code=app.code())
            answer = await show_factor(after, token, recovery_code=app.recovery_codes[0])
        assert answer.status_code == 200
