"""Wrong answers of a passkey after the password (the right ones: test_passkey_as_factor)."""

import httpx
import pytest
from tests.fixtures.authenticator import HONEST, UP, UV, Json, Mistake, Passkey, es256
from tests.fixtures.factors import ask_for_factor, show_factor
from tests.fixtures.hostile import encode
from tests.fixtures.passkeys import begin_sign_in, own_passkey, sign_in
from tests.fixtures.world import SignedIn, World


@pytest.fixture
async def passkey(world: World) -> Passkey:
    """Ada's."""
    await world.make_user()
    return await own_passkey(world, await world.log_in())


async def ask(world: World, token: str) -> Json:
    answer = await world.api.post("/login/mfa/options", json={"mfa_token": token})
    options: Json = answer.raise_for_status().json()
    return options


async def sign_in_with_both(
    world: World, passkey: Passkey, mistake: Mistake = HONEST
) -> httpx.Response:
    token = await ask_for_factor(world)
    return await show_factor(
        world, token, credential=passkey.answer(await ask(world, token), mistake)
    )


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
    options = await ask(world, await ask_for_factor(world))

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


async def test_an_answer_counts_once_and_only_for_its_wait(world: World, passkey: Passkey) -> None:
    one, two = await ask_for_factor(world), await ask_for_factor(world)
    answer = passkey.answer(await ask(world, one))
    await ask(world, two)

    assert (await show_factor(world, two, credential=answer)).json()["code"] == "invalid_factor"
    assert (await show_factor(world, one, credential=answer)).status_code == 200
    assert (await show_factor(world, one, credential=answer)).json()["code"] == "invalid_factor"


async def test_a_challenge_of_a_sign_in_by_passkey_alone_is_none_here(
    world: World, passkey: Passkey
) -> None:
    token = await ask_for_factor(world)
    await ask(world, token)
    begun = await begin_sign_in(world)

    refused = await show_factor(world, token, credential=passkey.answer(begun["options"]))

    assert refused.json()["code"] == "invalid_factor"


async def test_the_challenge_after_a_password_is_none_for_a_sign_in_by_passkey_alone(
    world: World, passkey: Passkey
) -> None:
    options = await ask(world, await ask_for_factor(world))
    begun = await begin_sign_in(world)

    body = {"challenge_id": begun["challenge_id"], "credential": passkey.answer(options)}
    refused = await world.api.post("/login/passkey/verify", json=body)

    assert refused.json()["code"] == "invalid_factor"


# Once more


@pytest.mark.parametrize(
    "mistake", [Mistake(signer=es256()), Mistake(clear_flags=UV), Mistake(user_handle=bytes(16))]
)
async def test_a_wrong_passkey_proves_nothing(
    world: World, passkey: Passkey, mistake: Mistake
) -> None:
    ada = SignedIn.of(await sign_in(world, passkey))

    answer = await reauthenticate(world, ada, passkey, mistake)

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_factor")
