"""The life of signing keys: made once, published before they sign, kept while they verify."""

import asyncio
from datetime import timedelta

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.statements import recorded_statements
from tests.tokens.conftest import MakeKeyring, MakeTokens
from tests.tokens.keys import CLAIMS, count_keys, published, states

from keyfob.core.database import Database
from keyfob.tokens.errors import NoSigningKey, TokenRejected


async def test_eight_workers_that_start_at_once_make_one_key(
    db: Database, make_keyring: MakeKeyring
) -> None:
    workers = [make_keyring() for _ in range(8)]

    await asyncio.gather(*(worker.load() for worker in workers))

    assert await count_keys(db) == 1
    assert len({worker.active().kid for worker in workers}) == 1
    assert len({worker.jwks for worker in workers}) == 1


async def test_eight_loads_of_one_worker_make_one_key(
    db: Database, make_keyring: MakeKeyring
) -> None:
    worker = make_keyring()

    await asyncio.gather(*(worker.load() for _ in range(8)))

    assert await count_keys(db) == 1


def test_without_a_key_nothing_is_signed_and_nothing_judged(
    make_keyring: MakeKeyring, make_tokens: MakeTokens
) -> None:
    tokens = make_tokens(make_keyring())

    with pytest.raises(NoSigningKey) as refusal:
        tokens.issue(CLAIMS)[0]
    # Not 401: a client would throw a good token away because our database is late.
    with pytest.raises(NoSigningKey):
        tokens.verify("eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImEifQ.e30.AAAA")

    assert refusal.value.status == 503


async def test_an_unknown_kid_costs_no_statement(make_keyring: MakeKeyring) -> None:
    keyring = make_keyring()
    await keyring.load()

    with recorded_statements() as seen:
        assert keyring.find("nobody's") is None
        assert keyring.find(keyring.active().kid) is keyring.active()

    assert seen == []


async def test_a_new_key_is_published_before_it_signs(
    make_keyring: MakeKeyring, clock: MovableClock
) -> None:
    keyring = make_keyring()
    await keyring.load()
    old = keyring.active().kid

    new = await keyring.rotate()

    assert published(keyring) == [old, new]
    assert await states(keyring) == ["active", "next"]
    clock.advance(3599)
    assert keyring.active().kid == old
    clock.advance(1)
    assert keyring.active().kid == new
    assert await states(keyring) == ["retiring", "active"]


async def test_an_old_key_verifies_until_its_last_token_has_expired(
    make_keyring: MakeKeyring, make_tokens: MakeTokens, clock: MovableClock
) -> None:
    keyring = make_keyring()
    tokens = make_tokens(keyring)
    await keyring.load()
    old = keyring.active().kid
    new = await keyring.rotate()
    clock.advance(3599)
    last = tokens.issue(CLAIMS)[0]

    clock.advance(299)
    await keyring.load()
    assert tokens.verify(last).kid == old

    clock.advance(1)
    await keyring.load()
    with pytest.raises(TokenRejected, match="expired"):
        tokens.verify(last)

    clock.advance(301)  # a clock may have jumped: so much later it is gone
    await keyring.load()
    assert published(keyring) == [new]
    assert await states(keyring) == ["retired", "active"]


async def test_a_retired_key_is_refused_even_if_it_signs_anew(
    make_keyring: MakeKeyring, make_tokens: MakeTokens, clock: MovableClock
) -> None:
    keyring, thief = make_keyring(), make_keyring()
    await keyring.load()
    await thief.load()  # somebody who took the key with them
    await keyring.rotate()
    clock.advance(3600 + 300 + 300)
    await keyring.load()

    stolen = make_tokens(thief).issue(CLAIMS)[0]

    with pytest.raises(TokenRejected, match="unknown_key"):
        make_tokens(keyring).verify(stolen)


async def test_a_key_rotates_by_itself_at_ninety_days_and_several_workers_make_one(
    db: Database, make_keyring: MakeKeyring, clock: MovableClock
) -> None:
    workers = [make_keyring() for _ in range(6)]
    await workers[0].load()
    old = workers[0].active()

    clock.advance(days=90, seconds=-3601)
    await asyncio.gather(*(worker.rotate_when_due() for worker in workers))
    assert await count_keys(db) == 1

    clock.advance(1)
    await asyncio.gather(*(worker.rotate_when_due() for worker in workers))
    await asyncio.gather(*(worker.rotate_when_due() for worker in workers))
    assert await count_keys(db) == 2
    assert {worker.active().kid for worker in workers} == {old.kid}

    clock.advance(3600)
    (new,) = {worker.active().kid for worker in workers}
    assert new != old.kid
    assert workers[0].active().signs_from == old.signs_from + timedelta(days=90)


async def test_a_service_that_slept_past_the_day_still_publishes_first(
    make_keyring: MakeKeyring, clock: MovableClock
) -> None:
    keyring = make_keyring()
    await keyring.load()
    old = keyring.active().kid
    clock.advance(days=400)

    await keyring.rotate_when_due()

    assert keyring.active().kid == old
    clock.advance(hours=1)
    assert keyring.active().kid != old


async def test_a_compromised_key_is_refused_at_once_by_every_worker_that_loads(
    make_keyring: MakeKeyring, make_tokens: MakeTokens
) -> None:
    keyring, other = make_keyring(), make_keyring()
    told: list[str] = []
    other.on_change.append(lambda: told.append("changed"))
    await keyring.load()
    await other.load()
    stolen = make_tokens(other).issue(CLAIMS)[0]
    await keyring.rotate()  # the next key is as old as the leak

    new = await keyring.rotate(compromised=True)
    await other.load()

    for worker in (keyring, other):
        assert worker.active().kid == new
        assert published(worker) == [new]
        with pytest.raises(TokenRejected, match="unknown_key"):
            make_tokens(worker).verify(stolen)
    assert await states(keyring) == ["dropped", "dropped", "active"]
    assert told == ["changed", "changed"]


async def test_rotations_by_hand_at_once_each_make_a_key_in_its_own_place(
    db: Database, make_keyring: MakeKeyring
) -> None:
    workers = [make_keyring() for _ in range(4)]

    kids = await asyncio.gather(*(worker.rotate() for worker in workers))

    rows = await db.fetch("SELECT position, kid FROM signing_keys ORDER BY position")
    assert [row["position"] for row in rows] == [1, 2, 3, 4]
    assert {row["kid"] for row in rows} == set(kids)


async def test_a_key_may_be_told_to_sign_at_once(make_keyring: MakeKeyring) -> None:
    keyring = make_keyring()
    await keyring.load()
    old = keyring.active().kid

    new = await keyring.rotate(publish_ahead=timedelta(0))

    assert keyring.active().kid == new
    assert published(keyring) == [old, new]


async def test_what_listens_is_told_of_a_change_and_of_nothing_else(
    make_keyring: MakeKeyring,
) -> None:
    keyring = make_keyring()
    told: list[str] = []
    keyring.on_change.append(lambda: told.append("changed"))

    await keyring.load()
    await keyring.load()
    assert told == ["changed"]

    await keyring.rotate()
    assert told == ["changed", "changed"]


async def test_a_worker_whose_clock_is_behind_signs_all_the_same(
    make_keyring: MakeKeyring, make_tokens: MakeTokens, clock: MovableClock
) -> None:
    keyring = make_keyring()
    await keyring.load()

    clock.advance(-90)

    token = make_tokens(keyring).issue(CLAIMS)[0]
    assert make_tokens(keyring).verify(token).claims == CLAIMS


@pytest.mark.parametrize(("ahead", "at_most"), [(3600, 300), (60, 30), (1, 0)])
async def test_the_jwks_may_be_cached_for_less_than_a_key_is_published_ahead(
    make_keyring: MakeKeyring, ahead: int, at_most: int
) -> None:
    keyring = make_keyring(publish_ahead=timedelta(seconds=ahead))

    assert keyring.max_age == at_most < ahead
