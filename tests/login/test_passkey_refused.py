"""Refused answers of passkeys, and the log entries about them."""

from uuid import UUID

import pytest
from tests.fixtures.authenticator import UP, UV, Json, Mistake, Passkey, es256
from tests.fixtures.clock import MovableClock
from tests.fixtures.hostile import encode
from tests.fixtures.passkeys import (
    begin_adding,
    begin_sign_in,
    finish_sign_in,
    sign_in,
)
from tests.fixtures.world import SignedIn, World
from tests.login.passkey_answers import is_refused, logged

from keyfob.audit.service import Audit
from keyfob.core.secrets import new_id
from keyfob.settings import Settings

WRONG: dict[str, Mistake] = {
    "another origin": Mistake(origin="https://localhost.example.org"),
    "another port": Mistake(origin="http://localhost:8001"),
    "another domain": Mistake(rp_id="example.org"),
    "a registration's type": Mistake(type="webauthn.create"),
    "another challenge": Mistake(challenge=encode(bytes(32))),
    "in a frame": Mistake(client_data={"crossOrigin": True}),
    "nobody verified": Mistake(clear_flags=UV),
    "nobody there": Mistake(clear_flags=UP),
    "no user handle": Mistake(no_user_handle=True),
    "an empty user handle": Mistake(user_handle=b""),
    "somebody's user handle": Mistake(user_handle=bytes(16)),
    "another key": Mistake(signer=es256()),
    "an unknown credential": Mistake(outer={"id": "AAAA", "rawId": "AAAA"}),
    "two ids": Mistake(outer={"id": "AAAA"}),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_answer_is_refused_and_logged(
    world: World, passkey: Passkey, wrong: str
) -> None:
    answer = await sign_in(world, passkey, WRONG[wrong])

    assert is_refused(answer)
    assert ("refused", "wrong_passkey") in await logged(world)
    assert (await sign_in(world, passkey)).status_code == 200


async def test_every_refusal_is_the_same(world: World, passkey: Passkey) -> None:
    answers = [await sign_in(world, passkey, mistake) for mistake in WRONG.values()]
    answers.append(await sign_in(world, Passkey(user_handle=passkey.user_handle)))
    unknown = {"challenge_id": str(new_id(world.service(Audit).clock.now()))}
    begun = await begin_sign_in(world)
    answers.append(await finish_sign_in(world, unknown, passkey.answer(begun["options"])))

    told = {tuple({**answer.json(), "request_id": ""}.items()) for answer in answers}
    assert len(told) == 1
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}


async def test_the_log_tells_whose_passkey_it_claimed_to_be(world: World, passkey: Passkey) -> None:
    await sign_in(world, passkey, Mistake(signer=es256()))
    await sign_in(world, Passkey(user_handle=passkey.user_handle))

    claimed = {
        event["user_id"] for event in await world.login_log() if event["outcome"] == "refused"
    }
    assert claimed == {UUID(bytes=passkey.user_handle), None}


# Challenges


async def test_a_challenge_is_good_for_one_answer(world: World, passkey: Passkey) -> None:
    begun = await begin_sign_in(world)
    answer = passkey.answer(begun["options"])
    assert (await finish_sign_in(world, begun, answer)).status_code == 200

    assert is_refused(await finish_sign_in(world, begun, answer))
    assert is_refused(await finish_sign_in(world, begun, passkey.answer(begun["options"])))


async def test_a_wrong_answer_spends_the_challenge(world: World, passkey: Passkey) -> None:
    begun = await begin_sign_in(world)
    wrong = passkey.answer(begun["options"], Mistake(clear_flags=UV))
    await finish_sign_in(world, begun, wrong)

    assert is_refused(await finish_sign_in(world, begun, passkey.answer(begun["options"])))


async def test_a_challenge_dies_after_five_minutes(
    world: World, passkey: Passkey, clock: MovableClock
) -> None:
    begun = [await begin_sign_in(world) for _ in "ab"]
    answers = [passkey.answer(one["options"]) for one in begun]

    clock.advance(299)
    assert (await finish_sign_in(world, begun[0], answers[0])).status_code == 200
    clock.advance(1)
    assert is_refused(await finish_sign_in(world, begun[1], answers[1]))


async def test_an_answer_for_one_challenge_is_none_for_another(
    world: World, passkey: Passkey
) -> None:
    one, two = await begin_sign_in(world), await begin_sign_in(world)

    assert is_refused(await finish_sign_in(world, one, passkey.answer(two["options"])))


async def test_a_challenge_for_adding_a_passkey_is_none_for_signing_in(
    world: World, passkey: Passkey
) -> None:
    ada = SignedIn.of(await sign_in(world, passkey))
    begun = await begin_adding(world, ada)
    asked = {"rpId": "localhost", "challenge": begun["options"]["challenge"]}

    assert is_refused(await finish_sign_in(world, begun, passkey.answer(asked)))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"challenge_id": "x", "credential": {}},
        {"challenge_id": str(UUID(int=0)), "credential": None},
        {"challenge_id": str(UUID(int=0)), "credential": {"id": "AA", "rawId": "AA"}},
        {"challenge_id": None, "credential": {}},
    ],
)
async def test_what_is_no_answer_does_not_fit(world: World, body: Json) -> None:
    answer = await world.api.post("/login/passkey/verify", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


# Accounts


async def test_a_removed_passkey_is_refused(world: World, passkey: Passkey) -> None:
    ada = SignedIn.of(await sign_in(world, passkey))
    begun = await begin_sign_in(world)
    answer = passkey.answer(begun["options"])
    (factor,) = (await world.api.get("/me/factors", headers=ada.headers)).json()["factors"]
    removed = await world.api.delete(f"/me/factors/{factor['id']}", headers=ada.headers)
    assert removed.status_code == 204

    assert is_refused(await finish_sign_in(world, begun, answer))
    assert is_refused(await sign_in(world, passkey))


async def test_who_is_blocked_is_told_after_a_right_answer_only(
    world: World, passkey: Passkey
) -> None:
    await world.db.execute("UPDATE users SET status = 'blocked'")

    refused = await sign_in(world, passkey)
    assert (refused.status_code, refused.json()["code"]) == (403, "account_blocked")
    assert ("refused", "account_blocked") in await logged(world)
    assert is_refused(await sign_in(world, passkey, Mistake(signer=es256())))


async def test_who_has_to_choose_a_password_chooses_it_first(
    world: World, passkey: Passkey
) -> None:
    await world.db.execute("UPDATE users SET must_change_password = true")

    refused = await sign_in(world, passkey)

    assert (refused.status_code, refused.json()["code"]) == (403, "password_change_required")
    assert refused.json()["token"].startswith("kfl_")


async def test_of_a_deleted_account_nothing_is_left(world: World, passkey: Passkey) -> None:
    root = await world.make_admin()
    ada = UUID(bytes=passkey.user_handle)
    await world.api.delete(f"/admin/users/{ada}", headers=root.headers)

    assert is_refused(await sign_in(world, passkey))
    assert await world.db.fetchval("SELECT count(*) FROM factors") == 0


async def test_it_is_limited_by_address(settings: Settings, clock: MovableClock) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_passkey": "4/minute"})
    async with World(limited, clock) as world:
        answers = [await world.api.post("/login/passkey/options") for _ in range(4)]
        body: Json = {
            "challenge_id": str(UUID(int=0)),
            "credential": Passkey().answer({"rpId": "localhost", "challenge": "AAAA"}),
        }
        refused = await world.api.post("/login/passkey/verify", json=body)
        async with world.client("198.51.100.9") as elsewhere:
            answers.append(await elsewhere.post("/login/passkey/options"))

    assert [answer.status_code for answer in answers] == [200] * 5
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
