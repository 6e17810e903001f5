"""Challenges for adding a passkey: each is good for one answer of its owner, in time."""

import asyncio

from tests.fixtures.authenticator import Mistake, Passkey
from tests.fixtures.clock import MovableClock
from tests.fixtures.passkeys import begin_adding, finish_adding
from tests.fixtures.world import SignedIn, World
from tests.mfa.strengthened import refreshed

from keyfob.settings import Settings

# Challenges


async def test_a_challenge_is_good_for_one_answer_even_a_wrong_one(
    world: World, ada: SignedIn
) -> None:
    begun = await begin_adding(world, ada)
    wrong = Passkey().make(begun["options"], Mistake(origin="https://example.org"))
    right = Passkey().make(begun["options"])

    answers = [await finish_adding(world, ada, begun, made) for made in (wrong, right)]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert {answer.json()["code"] for answer in answers} == {"invalid_passkey"}


async def test_a_challenge_used_is_used_up(world: World, ada: SignedIn) -> None:
    begun = await begin_adding(world, ada)

    answers = [
        await finish_adding(world, ada, begun, Passkey().make(begun["options"])) for _ in "ab"
    ]

    assert answers[0].status_code == 201
    ada = await refreshed(world, ada)
    again = await finish_adding(world, ada, begun, Passkey().make(begun["options"]))
    assert again.json()["code"] == "invalid_passkey"


async def test_a_challenge_dies_after_five_minutes(
    world: World, ada: SignedIn, clock: MovableClock
) -> None:
    begun = await begin_adding(world, ada)
    clock.advance(seconds=300)
    ada = await world.log_in()

    late = await finish_adding(world, ada, begun, Passkey().make(begun["options"]))

    assert late.json()["code"] == "invalid_passkey"


async def test_another_s_challenge_is_refused_and_left_to_its_owner(
    world: World, ada: SignedIn
) -> None:
    await world.make_user("eve@example.com")
    eve = await world.log_in("eve@example.com")
    begun = await begin_adding(world, ada)
    made = Passkey().make(begun["options"])

    refused = await finish_adding(world, eve, begun, made)

    assert refused.json()["code"] == "invalid_passkey"
    assert (await finish_adding(world, ada, begun, made)).status_code == 201


async def test_a_challenge_for_signing_in_is_none_for_adding(world: World, ada: SignedIn) -> None:
    begun = (await world.api.post("/login/passkey/options")).json()
    options = (await begin_adding(world, ada))["options"]
    made = Passkey().make({**options, "challenge": begun["options"]["challenge"]})

    assert (await finish_adding(world, ada, begun, made)).json()["code"] == "invalid_passkey"


async def test_what_nobody_answered_is_cleaned_up(
    world: World, ada: SignedIn, clock: MovableClock
) -> None:
    await begin_adding(world, ada)
    await world.api.post("/login/passkey/options")
    (chore,) = [one for one in world.wiring.worker.chores if one.name == "old challenges"]

    await chore.run()
    assert await world.db.fetchval("SELECT count(*) FROM webauthn_challenges") == 2
    clock.advance(minutes=5)
    await chore.run()
    assert await world.db.fetchval("SELECT count(*) FROM webauthn_challenges") == 0


# Races, each request on a worker and connections of its own


async def test_of_two_answers_to_one_challenge_at_once_one_is_taken(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        for turn in range(8):
            email = f"ada{turn}@example.com"
            await one.make_user(email)
            ada = await one.log_in(email)
            begun = await begin_adding(one, ada)
            made = [Passkey().make(begun["options"]) for _ in "ab"]

            answers = await asyncio.gather(
                finish_adding(one, ada, begun, made[0]), finish_adding(two, ada, begun, made[1])
            )

            # The loser finds the challenge spent, or already a factor that it did not show.
            outcomes = sorted(answer.status_code for answer in answers)
            assert outcomes in ([201, 400], [201, 401])


async def test_another_worker_takes_the_answer_also_after_a_restart(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as before:
        await before.make_user()
        ada = await before.log_in()
        begun = await begin_adding(before, ada)

    async with World(settings, clock) as after:
        answer = await finish_adding(after, ada, begun, Passkey().make(begun["options"]))

    assert answer.status_code == 201
