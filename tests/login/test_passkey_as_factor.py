"""A passkey after the password, and as the proof for what needs a recent sign-in."""

import asyncio

import httpx
import pytest
from tests.fixtures.authenticator import UV, Json, Mistake, Passkey
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, ask_for_factor, show_factor
from tests.fixtures.hostile import claims_of
from tests.fixtures.passkeys import begin_sign_in, own_passkey, sign_in
from tests.fixtures.world import SignedIn, World


@pytest.fixture
async def passkey(world: World) -> Passkey:
    """Ada's passkey."""
    await world.make_user()
    return await own_passkey(world, await world.log_in())


async def options_for(world: World, mfa_token: str) -> httpx.Response:
    return await world.api.post("/login/mfa/options", json={"mfa_token": mfa_token})


async def asked(world: World, mfa_token: str) -> Json:
    options: Json = (await options_for(world, mfa_token)).raise_for_status().json()
    return options


def is_refused(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.json()["code"]) == (401, "invalid_factor")


async def test_it_is_asked_after_the_password(world: World, passkey: Passkey) -> None:
    answer = await world.attempt_login()
    assert [one["type"] for one in answer.json()["factors"]] == ["passkey"]
    token = answer.json()["mfa_token"]

    options = await asked(world, token)
    ada = SignedIn.of(await show_factor(world, token, credential=passkey.answer(options)))

    assert len(options["allowCredentials"]) == 1
    assert claims_of(ada.access)["amr"] == ["pwd", "pop", "mfa"]
    assert claims_of(ada.access)["acr"] == "aal2"
    assert "password_and_passkey" in {row["reason"] for row in await world.login_log()}


async def test_a_touch_is_enough_beside_the_password_and_not_alone(
    world: World, passkey: Passkey
) -> None:
    passkey.flags &= ~UV
    token = await ask_for_factor(world)
    options = await asked(world, token)

    shown = await show_factor(world, token, credential=passkey.answer(options))

    assert shown.status_code == 200
    assert is_refused(await sign_in(world, passkey))


async def test_a_challenge_is_answered_once(world: World, passkey: Passkey) -> None:
    token = await ask_for_factor(world)
    options = await asked(world, token)
    wrong = passkey.answer(options, Mistake(origin="https://evil.example"))
    assert is_refused(await show_factor(world, token, credential=wrong))

    assert is_refused(await show_factor(world, token, credential=passkey.answer(options)))
    again = await asked(world, token)
    assert (await show_factor(world, token, credential=passkey.answer(again))).status_code == 200


async def test_a_newer_challenge_kills_the_older(world: World, passkey: Passkey) -> None:
    token = await ask_for_factor(world)
    older, newer = await asked(world, token), await asked(world, token)

    assert is_refused(await show_factor(world, token, credential=passkey.answer(older)))
    assert older["challenge"] != newer["challenge"]


async def test_nothing_is_answered_that_was_not_asked(world: World, passkey: Passkey) -> None:
    token, other = await ask_for_factor(world), await ask_for_factor(world)
    options = await asked(world, other)
    alone = (await begin_sign_in(world))["options"]

    for given in (options, alone):
        assert is_refused(await show_factor(world, token, credential=passkey.answer(given)))


async def test_another_s_passkey_is_no_factor(world: World, passkey: Passkey) -> None:
    await world.make_user("eve@example.com")
    hers = await own_passkey(world, await world.log_in("eve@example.com"))
    token = await ask_for_factor(world)
    options = await asked(world, token)

    assert is_refused(await show_factor(world, token, credential=hers.answer(options)))


async def test_a_cloned_counter_is_refused(world: World, passkey: Passkey) -> None:
    clone = passkey.clone()
    token = await ask_for_factor(world)
    options = await asked(world, token)
    assert (await show_factor(world, token, credential=passkey.answer(options))).status_code == 200

    token = await ask_for_factor(world)
    options = await asked(world, token)
    assert is_refused(await show_factor(world, token, credential=clone.answer(options)))


async def test_wrong_answers_use_up_the_attempts(world: World, passkey: Passkey) -> None:
    token = await ask_for_factor(world)
    for _ in range(5):
        options = await asked(world, token)
        wrong = passkey.answer(options, Mistake(rp_id="evil.example"))
        assert is_refused(await show_factor(world, token, credential=wrong))

    assert is_refused(await options_for(world, token))


async def test_who_has_no_passkey_is_asked_for_none(world: World, clock: MovableClock) -> None:
    await world.make_user()
    await add_totp(world, await world.log_in(), clock)

    assert is_refused(await options_for(world, await ask_for_factor(world)))
    assert is_refused(await options_for(world, "kfm_nonsense"))


async def test_of_many_answers_at_once_one_signs_in(world: World, passkey: Passkey) -> None:
    passkey.sign_count = None
    token = await ask_for_factor(world)
    answer = passkey.answer(await asked(world, token))

    answers = await asyncio.gather(
        *(show_factor(world, token, credential=answer) for _ in range(4))
    )

    assert sorted(one.status_code for one in answers) == [200, 401, 401, 401]


class TestOnceMore:
    """`/me/reauthenticate` with a passkey."""

    async def prove(
        self, world: World, caller: SignedIn, passkey: Passkey, begun: Json
    ) -> httpx.Response:
        body = {
            "challenge_id": begun["challenge_id"],
            "credential": passkey.answer(begun["options"]),
        }
        return await world.api.post("/me/reauthenticate", json=body, headers=caller.headers)

    async def test_it_makes_the_sign_in_recent(
        self, world: World, passkey: Passkey, clock: MovableClock
    ) -> None:
        ada = SignedIn.of(await sign_in(world, passkey))
        clock.advance(301)
        ada = SignedIn.of(await world.refresh(ada.refresh))

        answer = await self.prove(world, ada, passkey, await begin_sign_in(world))

        told = claims_of(SignedIn.of(answer).access)
        assert told["auth_time"] == clock.timestamp()
        assert told["amr"] == ["pop", "user", "mfa"]

    async def test_it_strengthens_a_session_of_the_password(self, world: World) -> None:
        await world.make_user()
        laptop, phone = await world.log_in(), await world.log_in()
        passkey = await own_passkey(world, phone)

        answer = await self.prove(world, laptop, passkey, await begin_sign_in(world))

        assert claims_of(SignedIn.of(answer).access)["amr"] == ["pwd", "pop", "user", "mfa"]

    async def test_another_s_passkey_proves_nothing(self, world: World, passkey: Passkey) -> None:
        await world.make_user("eve@example.com")
        eve = await world.log_in("eve@example.com")
        await own_passkey(world, eve)

        answer = await self.prove(world, eve, passkey, await begin_sign_in(world))

        assert is_refused(answer)
        assert "wrong_factor" in {row["reason"] for row in await world.login_log()}

    async def test_a_challenge_is_good_once(self, world: World, passkey: Passkey) -> None:
        ada = SignedIn.of(await sign_in(world, passkey))
        begun = await begin_sign_in(world)
        ada = SignedIn.of(await self.prove(world, ada, passkey, begun))

        assert is_refused(await self.prove(world, ada, passkey, begun))
