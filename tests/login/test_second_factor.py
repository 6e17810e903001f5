"""The second step of a sign-in: its requests and its results."""

import pytest
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
from tests.login.factor_refusals import assert_refused


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
