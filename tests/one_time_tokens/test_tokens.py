"""One-time tokens: several at once, used once, stored as a digest."""

import asyncio
import hashlib
import re
from datetime import timedelta
from uuid import UUID

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.waiting import until_somebody_waits
from tests.fixtures.world import World

from keyfob.accounts.email import Email
from keyfob.accounts.models import SignUp
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens

MINUTES_30 = 1800


@pytest.fixture
def tokens(world: World) -> OneTimeTokens:
    return world.service(OneTimeTokens)


@pytest.fixture
async def ada(world: World) -> UUID:
    return await world.make_user()


async def issue(world: World, user_id: UUID, kind: Kind = Kind.RECOVER, **more: object) -> str:
    async with world.db.begin() as tx:
        return await world.service(OneTimeTokens).issue(tx, user_id, kind, **more)  # type: ignore[arg-type] # whatever the test gives


async def spend(world: World, token: str, kind: Kind = Kind.RECOVER) -> UUID | None:
    async with world.db.begin() as tx:
        spent = await world.service(OneTimeTokens).spend(tx, kind, token)
    return spent.user_id if spent else None


async def test_a_token_has_256_random_bits_and_only_its_digest_is_kept(
    world: World, ada: UUID
) -> None:
    token = await issue(world, ada)

    assert re.fullmatch(r"kfl_[A-Za-z0-9_-]{43}", token)
    (row,) = await world.db.fetch("SELECT * FROM one_time_tokens")
    assert row["token_hash"] == hashlib.sha256(token.encode()).digest()
    assert token not in str(dict(row))
    assert token != await issue(world, ada)


async def test_it_is_found_until_it_is_spent_and_spent_once(
    world: World, tokens: OneTimeTokens, ada: UUID
) -> None:
    email = Email.parse("Ada@Example.com")
    sign_up = SignUp(email, "a hash", "Ada", "ru")
    token = await issue(world, ada, email=email, sign_up=sign_up)

    for _ in range(2):
        found = await tokens.find(world.db, Kind.RECOVER, token)
        assert found is not None
        assert (found.user_id, found.kind, found.email) == (ada, Kind.RECOVER, email)
        assert found.sign_up == sign_up
    assert await spend(world, token) == ada
    assert await spend(world, token) is None
    assert await tokens.find(world.db, Kind.RECOVER, token) is None


async def test_one_of_another_kind_is_none(world: World, tokens: OneTimeTokens, ada: UUID) -> None:
    issued = {kind: await issue(world, ada, kind) for kind in Kind}

    for kind, token in issued.items():
        for other in set(Kind) - {kind}:
            assert await tokens.find(world.db, other, token) is None
            assert await spend(world, token, other) is None
    for kind, token in issued.items():
        assert await spend(world, token, kind) == ada


async def test_those_of_one_user_and_kind_live_side_by_side(world: World, ada: UUID) -> None:
    issued = [await issue(world, ada) for _ in range(3)]

    assert [await spend(world, token) for token in reversed(issued)] == [ada] * 3


async def test_none_of_a_blocked_user_is_good(
    world: World, tokens: OneTimeTokens, ada: UUID
) -> None:
    issued = {kind: await issue(world, ada, kind) for kind in Kind}
    await world.db.execute("UPDATE users SET status = 'blocked'")

    for kind, token in issued.items():
        assert await tokens.find(world.db, kind, token) is None
        assert await spend(world, token, kind) is None
        assert not await tokens.take_attempt(kind, token)


async def test_a_link_takes_five_guesses_however_many_come_at_once(
    world: World, tokens: OneTimeTokens, ada: UUID
) -> None:
    token = await issue(world, ada, Kind.VERIFY_EMAIL)

    taken = await asyncio.gather(*(tokens.take_attempt(Kind.VERIFY_EMAIL, token) for _ in range(9)))
    assert sorted(taken) == [False] * 4 + [True] * 5

    await tokens.give_attempt_back(token)
    assert await tokens.take_attempt(Kind.VERIFY_EMAIL, token)
    assert not await tokens.take_attempt(Kind.VERIFY_EMAIL, token)
    assert await spend(world, token, Kind.VERIFY_EMAIL) == ada


async def test_of_many_the_newest_can_be_kept(
    world: World, tokens: OneTimeTokens, clock: MovableClock, ada: UUID
) -> None:
    issued = []
    for _ in range(4):
        clock.advance(1)
        issued.append(await issue(world, ada))

    async with world.db.begin() as tx:
        await tokens.kill_older(tx, ada, Kind.RECOVER, kept=2)

    assert [await spend(world, token) for token in issued] == [None, None, ada, ada]


@pytest.mark.parametrize(
    ("ttl", "seconds"), [(None, MINUTES_30), (timedelta(days=2), 2 * 86400)], ids=["default", "own"]
)
async def test_it_lives_as_long_as_it_should_and_no_longer(
    world: World, clock: MovableClock, ada: UUID, ttl: timedelta | None, seconds: int
) -> None:
    issued = await issue(world, ada, ttl=ttl), await issue(world, ada, Kind.VERIFY_EMAIL, ttl=ttl)

    clock.advance(seconds - 1)
    assert await spend(world, issued[0]) == ada
    clock.advance(1)
    assert await spend(world, issued[1], Kind.VERIFY_EMAIL) is None


async def test_killing_takes_the_kinds_that_are_named_or_all(
    world: World, tokens: OneTimeTokens, ada: UUID
) -> None:
    issued = {kind: await issue(world, ada, kind) for kind in Kind}

    async with world.db.begin() as tx:
        await tokens.kill(tx, ada, Kind.RECOVER)
    alive = [kind for kind, token in issued.items() if await tokens.find(world.db, kind, token)]
    assert alive == [kind for kind in Kind if kind is not Kind.RECOVER]

    async with world.db.begin() as tx:
        await tokens.kill(tx, ada)
    assert await world.db.fetchval("SELECT count(*) FROM one_time_tokens") == 0


async def test_what_expired_is_kept_a_week(
    world: World, clock: MovableClock, tokens: OneTimeTokens, ada: UUID
) -> None:
    await issue(world, ada)
    clock.advance(MINUTES_30 + 7 * 86400)
    await tokens.clean_up()
    assert await world.db.fetchval("SELECT count(*) FROM one_time_tokens") == 1

    clock.advance(1)
    await tokens.clean_up()

    assert await world.db.fetchval("SELECT count(*) FROM one_time_tokens") == 0


async def test_a_worker_sweeps_them_now_and_then(world: World) -> None:
    chores = {chore.name: chore for chore in world.wiring.worker.chores}

    assert chores["old links"].run == world.service(OneTimeTokens).clean_up


async def test_of_two_that_spend_at_once_on_two_connections_one_gets_it(
    world: World, tokens: OneTimeTokens, ada: UUID
) -> None:
    token = await issue(world, ada)

    async with world.db.begin() as tx:
        first = await tokens.spend(tx, Kind.RECOVER, token)
        second = asyncio.create_task(spend(world, token))
        await until_somebody_waits(world.db)

    assert first is not None
    assert await second is None


async def test_one_whose_spending_is_rolled_back_is_good_again(
    world: World, tokens: OneTimeTokens, ada: UUID
) -> None:
    token = await issue(world, ada)

    async def spend_in_vain() -> None:
        async with world.db.begin() as tx:
            assert await tokens.spend(tx, Kind.RECOVER, token)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await spend_in_vain()

    assert await spend(world, token) == ada
