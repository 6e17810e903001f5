"""Lines 1 to 3 of the abuse list: who has an account, and who may guess at its password."""

import unicodedata
from typing import Any

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.hashes import recorded_hashes
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.statements import recorded_statements
from tests.fixtures.timing import how_alike
from tests.fixtures.world import World

from keyfob.accounts.models import Status
from keyfob.settings import Settings

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"
WRONG = "a wrong horse, and no battery"


def told(answer: httpx.Response) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return all parts of a response that do not differ each time."""
    body, headers = answer.json(), dict(answer.headers)
    del body["request_id"], headers["x-request-id"]
    return answer.status_code, body, headers


async def told_and_done(
    world: World, email: str, password: str
) -> tuple[Any, list[str], list[int]]:
    """Try to sign in; return the answer, the statements it took, and the cost of each hash."""
    with recorded_statements() as statements, recorded_hashes() as hashes:
        answer = await world.attempt_login(email, password)
    return told(answer), statements, hashes


async def test_01_recovery_for_an_unknown_address_is_answered_alike_after_the_same_time(
    mailbox: Mailbox, limited: Settings, clock: MovableClock
) -> None:
    settings = limited.model_copy(update={"limit_recover": "1000/minute"})
    async with World(settings, clock) as world:
        await world.make_user(ADA)
        await world.make_user("blocked@example.com", status=Status.BLOCKED)
        seen = []
        for email in ("first@example.com", ADA, "blocked@example.com", "nobody@example.com"):
            clock.advance(60)
            with recorded_statements() as statements:
                answer = await world.api.post("/recover/request", json={"email": email})
            seen.append(((answer.status_code, answer.content), list(statements)))
        await mailbox.settled(world)
        await world.wiring.runner.stop()  # what comes after the answer is not to be timed

        async def ask(email: str) -> None:
            await world.api.post("/recover/request", json={"email": email})

        overlap = await how_alike(lambda: ask(ADA), lambda: ask("nobody@example.com"))

    assert seen[1][0] == (202, b"")
    assert len(seen[1][1]) == 2  # the rate of the client, and the row of the outbox
    assert seen[1] == seen[2] == seen[3]
    assert [mail.to for mail in mailbox.mails] == [ADA]
    assert 0.25 < overlap < 0.75


@pytest.mark.parametrize(
    "password",
    [
        pytest.param(WRONG, id="ascii"),
        pytest.param(unicodedata.normalize("NFD", "größe, höhe und länge"), id="decomposed"),
        pytest.param("x" * 4096, id="longest"),
    ],
)
async def test_02_unknown_and_wrong_password_are_answered_alike_after_equal_work(
    limited: Settings, clock: MovableClock, password: str
) -> None:
    async with World(limited, clock) as world:
        await world.make_user(ADA)
        await world.make_user("blocked@example.com", status=Status.BLOCKED)
        await world.make_user("imported@example.com")
        await world.db.execute(
            "UPDATE users SET password_hash = NULL WHERE email = 'imported@example.com'"
        )
        # The first statement of a connection prepares it.
        await told_and_done(world, "first@example.com", password)

        unknown = await told_and_done(world, "nobody@example.com", password)
        wrong = await told_and_done(world, ADA, password)
        blocked = await told_and_done(world, "blocked@example.com", password)
        without_password = await told_and_done(world, "imported@example.com", password)

    (status, _, _), statements, hashes = unknown
    assert status == 401
    assert len(statements) == 5
    assert hashes
    assert set(hashes) == {limited.bcrypt_cost}
    assert wrong == unknown
    assert blocked == unknown
    assert without_password == unknown


@pytest.mark.parametrize("signed_in_before", [False, True])
async def test_02_once_throttled_they_are_still_alike(
    limited: Settings, clock: MovableClock, signed_in_before: bool
) -> None:
    async with World(limited, clock) as world:
        await world.make_user(ADA)
        if signed_in_before:  # by its owner, behind the address that the attacker shares
            await world.attempt_login(ADA)
        for _ in range(5):
            await world.attempt_login(ADA, WRONG)
            await world.attempt_login("nobody@example.com", WRONG)

        unknown = await told_and_done(world, "nobody@example.com", WRONG)
        wrong = await told_and_done(world, ADA, WRONG)

    assert unknown[0][0] == 429
    assert unknown[2] == []
    assert wrong == unknown


async def test_03_the_101st_failure_is_throttled_and_its_owner_still_gets_in(
    limited: Settings, clock: MovableClock
) -> None:
    async with World(limited, clock) as world:
        await world.make_user(ADA)
        assert (await world.attempt_login(ADA, by="203.0.113.7")).status_code == 200

        for number in range(100):
            clock.advance(100)  # 36 an hour, so that the day's limit is what is met
            refused = await world.attempt_login(ADA, WRONG, by=f"198.51.100.{number}")
            assert refused.status_code == 401
        clock.advance(100)
        with recorded_hashes() as hashes:  # as much work as at home, where the owner gets in
            throttled = await world.attempt_login(ADA, by="198.51.100.200")

        assert throttled.status_code == 429
        assert throttled.json()["code"] == "too_many_attempts"
        assert int(throttled.headers["retry-after"]) > 3600
        assert len(hashes) == 1
        assert [row["reason"] for row in await world.login_log()][-1] == "too_many_attempts"
        assert (await world.attempt_login(ADA, by="203.0.113.7")).status_code == 200


async def test_03_an_owner_without_a_known_device_gets_in_by_recovery(
    mailbox: Mailbox, limited: Settings, clock: MovableClock
) -> None:
    async with World(limited, clock) as world:
        await world.make_user(ADA)
        for number in range(100):
            clock.advance(100)
            await world.attempt_login(ADA, WRONG, by=f"198.51.100.{number}")
        clock.advance(100)
        assert (await world.attempt_login(ADA, by="192.0.2.1")).status_code == 429

        owner = world.client("192.0.2.1")
        await owner.post("/recover/request", json={"email": ADA})
        (token,) = (await mailbox.next(to=ADA)).tokens()
        new = "a quite different horse"
        done = await owner.post("/recover/confirm", json={"token": token, "password": new})
        assert done.status_code == 204

        assert (await world.attempt_login(ADA, new, by="192.0.2.1")).status_code == 200
        assert (await world.attempt_login(ADA, new, by="198.51.100.201")).status_code == 429


async def test_03_an_owner_who_mistypes_at_home_waits_a_minute_and_no_longer(
    limited: Settings, clock: MovableClock
) -> None:
    async with World(limited, clock) as world:
        await world.make_user(ADA)
        await world.attempt_login(ADA)
        for _ in range(5):
            assert (await world.attempt_login(ADA, WRONG)).status_code == 401

        held = await world.attempt_login(ADA)
        clock.advance(int(held.headers["retry-after"]))

        assert (held.status_code, held.headers["retry-after"]) == (429, "60")
        assert (await world.attempt_login(ADA)).status_code == 200
