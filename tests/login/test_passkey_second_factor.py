"""A passkey after the password, and to prove oneself once more."""

import asyncio

import httpx
import pytest
from tests.fixtures.authenticator import HONEST, UP, UV, Json, Mistake, Passkey, es256
from tests.fixtures.clock import MovableClock
from tests.fixtures.hostile import claims_of, encode
from tests.fixtures.passkeys import add, begin_sign_in, own_passkey, sign_in
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.settings import Settings


@pytest.fixture
async def passkey(world: World) -> Passkey:
    """Ada's."""
    await world.make_user()
    return await own_passkey(world, await world.log_in())


async def give_password(world: World, email: str = "ada@example.com") -> str:
    """Sign in as far as the password leads, and return the token that waits."""
    answer = await world.api.post("/login", json={"email": email, "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (401, "mfa_required")
    token: str = answer.json()["mfa_token"]
    return token


async def ask(world: World, token: str) -> Json:
    answer = await world.api.post("/login/mfa/options", json={"mfa_token": token})
    options: Json = answer.raise_for_status().json()
    return options


async def show(world: World, token: str, credential: Json) -> httpx.Response:
    return await world.api.post("/login/mfa", json={"mfa_token": token, "credential": credential})


async def sign_in_with_both(
    world: World, passkey: Passkey, mistake: Mistake = HONEST
) -> httpx.Response:
    token = await give_password(world)
    return await show(world, token, passkey.answer(await ask(world, token), mistake))


async def reauthenticate(
    world: World, caller: SignedIn, passkey: Passkey, mistake: Mistake = HONEST
) -> httpx.Response:
    begun = await begin_sign_in(world)
    body = {
        "challenge_id": begun["challenge_id"],
        "credential": passkey.answer(begun["options"], mistake),
    }
    return await world.api.post("/me/reauthenticate", json=body, headers=caller.headers)


async def test_it_is_asked_for_by_name(world: World, passkey: Passkey) -> None:
    options = await ask(world, await give_password(world))

    options.pop("challenge")
    assert options == {
        "rpId": "localhost",
        "timeout": 300_000,
        "allowCredentials": [
            {
                "id": encode(passkey.credential_id),
                "type": "public-key",
                "transports": ["hybrid", "internal"],
            }
        ],
        "userVerification": "preferred",
    }


async def test_password_and_passkey_sign_in(world: World, passkey: Passkey) -> None:
    answer = await sign_in_with_both(world, passkey)

    assert answer.status_code == 200
    claims = claims_of(answer.json()["access_token"])
    assert (claims["amr"], claims["acr"]) == (["pwd", "pop", "mfa"], "aal2")
    reasons = {event["reason"] for event in await world.login_log()}
    assert "password_and_passkey" in reasons


async def test_after_the_password_a_touch_is_enough(world: World, passkey: Passkey) -> None:
    passkey.flags = UP

    silent = Mistake(no_user_handle=True)
    assert (await sign_in_with_both(world, passkey, silent)).status_code == 200
    assert (await sign_in(world, passkey)).status_code == 401


@pytest.mark.parametrize(
    "mistake",
    [
        Mistake(origin="https://example.org"),
        Mistake(rp_id="example.org"),
        Mistake(type="webauthn.create"),
        Mistake(challenge=encode(bytes(32))),
        Mistake(user_handle=bytes(16)),
        Mistake(clear_flags=UP),
        Mistake(signer=es256()),
        Mistake(outer={"id": "AAAA", "rawId": "AAAA"}),
    ],
)
async def test_a_wrong_answer_is_refused(world: World, passkey: Passkey, mistake: Mistake) -> None:
    answer = await sign_in_with_both(world, passkey, mistake)

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_factor")


async def test_another_s_passkey_is_refused(world: World, passkey: Passkey) -> None:
    await world.make_user("eve@example.com")
    eves = await own_passkey(world, await world.log_in("eve@example.com"))
    token = await give_password(world)
    options = await ask(world, token)

    for handle in (None, passkey.user_handle):
        answer = eves.answer(options, Mistake(user_handle=handle))
        assert (await show(world, token, answer)).json()["code"] == "invalid_factor"
        options = await ask(world, token)


async def test_an_answer_counts_once_and_only_for_its_wait(world: World, passkey: Passkey) -> None:
    one, two = await give_password(world), await give_password(world)
    answer = passkey.answer(await ask(world, one))
    await ask(world, two)

    assert (await show(world, two, answer)).json()["code"] == "invalid_factor"
    assert (await show(world, one, answer)).status_code == 200
    assert (await show(world, one, answer)).json()["code"] == "invalid_factor"


async def test_a_challenge_of_a_sign_in_by_passkey_alone_is_none_here(
    world: World, passkey: Passkey
) -> None:
    token = await give_password(world)
    await ask(world, token)
    begun = await begin_sign_in(world)

    refused = await show(world, token, passkey.answer(begun["options"]))

    assert refused.json()["code"] == "invalid_factor"


async def test_the_challenge_after_a_password_is_none_for_a_sign_in_by_passkey_alone(
    world: World, passkey: Passkey
) -> None:
    options = await ask(world, await give_password(world))
    begun = await begin_sign_in(world)

    body = {"challenge_id": begun["challenge_id"], "credential": passkey.answer(options)}
    refused = await world.api.post("/login/passkey/verify", json=body)

    assert refused.json()["code"] == "invalid_factor"


async def test_nobody_without_a_passkey_is_asked_for_one(world: World, passkey: Passkey) -> None:
    token = await give_password(world)
    await world.db.execute("DELETE FROM factors")

    answer = await world.api.post("/login/mfa/options", json={"mfa_token": token})

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_factor")


async def test_a_copy_is_refused_after_the_password_too(world: World, passkey: Passkey) -> None:
    copy = passkey.clone()
    await sign_in_with_both(world, passkey)

    refused = await sign_in_with_both(world, copy)

    assert refused.json()["code"] == "invalid_factor"
    assert (await world.audit_log())[-1]["action"] == "passkey.cloned_counter"


async def test_of_two_answers_to_one_wait_at_once_one_signs_in(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        await one.make_user()
        synced = await own_passkey(one, await one.log_in(), sign_count=None)
        for _ in range(8):
            token = await give_password(one)
            answer = synced.answer(await ask(two, token))

            answers = await asyncio.gather(show(one, token, answer), show(two, token, answer))

            assert sorted(one.status_code for one in answers) == [200, 401]


# Once more


async def test_a_passkey_proves_it_once_more(
    world: World, passkey: Passkey, clock: MovableClock
) -> None:
    ada = SignedIn.of(await sign_in(world, passkey))
    for _ in range(2):
        clock.advance(minutes=4)
        ada = SignedIn.of(await world.refresh(ada.refresh))
    stale = await world.api.post("/me/factors/passkeys/options", headers=ada.headers)
    assert stale.json()["code"] == "insufficient_user_authentication"

    ada = SignedIn.of(await reauthenticate(world, ada, passkey))

    assert claims_of(ada.access)["auth_time"] == clock.timestamp()
    assert (await add(world, ada, Passkey())).status_code == 201


@pytest.mark.parametrize(
    "mistake", [Mistake(signer=es256()), Mistake(clear_flags=UV), Mistake(user_handle=bytes(16))]
)
async def test_a_wrong_passkey_proves_nothing(
    world: World, passkey: Passkey, mistake: Mistake
) -> None:
    ada = SignedIn.of(await sign_in(world, passkey))

    answer = await reauthenticate(world, ada, passkey, mistake)

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_factor")


async def test_another_s_passkey_proves_nothing(world: World, passkey: Passkey) -> None:
    await world.make_user("eve@example.com")
    eves = await own_passkey(world, await world.log_in("eve@example.com"))
    ada = SignedIn.of(await sign_in(world, passkey))

    assert (await reauthenticate(world, ada, eves)).json()["code"] == "invalid_factor"
