"""A throttle that an attacker has filled reveals neither accounts nor known networks."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.hashes import recorded_hashes
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import CLIENT, PASSWORD, World

from keyfob.settings import Settings

ADA = "ada@example.com"  # signs in from CLIENT
BOB = "bob@example.com"  # has an account, and signs in elsewhere
NOBODY = "nobody@example.com"
WRONG = "a wrong horse, and no battery"


class Seen(NamedTuple):
    """The response, as a requester can see or measure it, without parts that always differ."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]
    statements: list[str]
    hashes: list[int]


async def look(world: World, email: str, password: str, address: str = CLIENT) -> Seen:
    with recorded_statements() as statements, recorded_hashes() as hashes:
        answer = await world.attempt_login(email, password, by=address)
    body, headers = answer.json(), dict(answer.headers)
    body.pop("request_id", None)
    del headers["x-request-id"]
    return Seen(answer.status_code, body, headers, statements, hashes)


async def fill_from_elsewhere(world: World, email: str) -> None:
    """Fail at an account from so many addresses that its windows are full."""
    for number in range(10):
        failed = await world.attempt_login(email, WRONG, by=f"198.51.100.{number}")
        assert failed.status_code == 401


@pytest.fixture
async def world(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    """The service with default limits, and two accounts."""
    async with World(settings.model_copy(update={"limits": "on"}), clock) as limited:
        for email, home in ((ADA, CLIENT), (BOB, "192.0.2.2")):
            await limited.make_user(email)
            (await limited.attempt_login(email, by=home)).raise_for_status()
        yield limited


async def test_a_full_throttle_answers_alike_with_an_account_without_and_where_it_was_used(
    world: World,
) -> None:
    for email in (ADA, BOB, NOBODY):
        await fill_from_elsewhere(world, email)

    seen = [await look(world, email, WRONG) for email in (ADA, BOB, NOBODY)]

    assert [one.status for one in seen] == [429, 429, 429]
    assert seen[0].headers["retry-after"] == "60"
    assert seen[0].hashes == [4]
    assert seen[1] == seen[0]
    assert seen[2] == seen[0]


async def test_the_owner_gets_in_from_there_all_the_same(world: World) -> None:
    await fill_from_elsewhere(world, ADA)
    await fill_from_elsewhere(world, BOB)

    assert (await world.attempt_login(ADA, WRONG)).status_code == 429
    assert (await world.attempt_login(ADA)).status_code == 200
    assert (await world.attempt_login(BOB)).status_code == 429
    assert (await world.attempt_login(BOB, by="192.0.2.2")).status_code == 200


async def test_failures_at_home_leave_no_other_trace_elsewhere_than_those_at_nobody_s(
    world: World,
) -> None:
    left = []
    for email in (ADA, BOB, NOBODY):
        for _ in range(5):
            assert (await world.attempt_login(email, WRONG)).status_code == 401
        tries = [await world.attempt_login(email, WRONG, by=f"198.51.100.{n}") for n in range(10)]
        left.append([one.status_code for one in tries])

    assert left == [[401] * 5 + [429] * 5] * 3


async def test_the_pair_s_own_count_goes_on_and_refuses_before_any_work(world: World) -> None:
    seen = []
    for email in (ADA, BOB, NOBODY):
        await fill_from_elsewhere(world, email)
        seen.append([await look(world, email, WRONG) for _ in range(7)])

    assert [len(one.hashes) for one in seen[0]] == [1] * 5 + [0, 0]
    assert [one.headers["ratelimit"].split(",")[0] for one in seen[0]][:5] == [
        f'"login-pair-60";r={left};t=60' for left in (4, 3, 2, 1, 0)
    ]
    assert seen[1] == seen[0]
    assert seen[2] == seen[0]


async def test_no_time_tells_that_the_password_was_right_where_it_is_not_looked_at(
    world: World,
) -> None:
    """A hash that is to be replaced would cost twice: an oracle past the account's throttle."""
    await world.db.execute(
        "UPDATE users SET password_hash = $2 WHERE email = $1",
        BOB,
        # "right", of another cost: it would be hashed anew
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.RxQFrDThFSg2wSw6eY0Hab8HDplhAyy",
    )
    await fill_from_elsewhere(world, BOB)

    right = await look(world, BOB, "a right old horse")
    wrong = await look(world, BOB, WRONG)

    assert right.status == wrong.status == 429
    assert right.hashes == wrong.hashes
    reasons = [row["reason"] for row in await world.login_log()]
    assert reasons.count("too_many_attempts") == 2


async def test_proving_oneself_anew_tells_no_more(world: World) -> None:
    ada, bob = [
        (await world.attempt_login(*one)).json() for one in ((ADA, PASSWORD), (BOB, PASSWORD))
    ]
    await world.db.execute("DELETE FROM login_events WHERE reason = 'password'")
    await world.attempt_login(ADA)
    for email in (ADA, BOB):
        await fill_from_elsewhere(world, email)

    answers = []
    for account in (ada, bob):
        headers = {"Authorization": f"Bearer {account['access_token']}"}
        body = {"password": WRONG}
        answers.append(await world.api.post("/me/reauthenticate", json=body, headers=headers))

    assert [one.status_code for one in answers] == [429, 429]
    assert answers[0].headers["retry-after"] == answers[1].headers["retry-after"]
