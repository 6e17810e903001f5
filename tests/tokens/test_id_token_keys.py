"""The keys of ID tokens: a series for each algorithm, made when needed."""

import asyncio
import json
from datetime import timedelta

import pytest
from tests.fixtures.clock import MovableClock
from tests.tokens.conftest import SECRET, MakeKeyring, MakeTokens
from tests.tokens.keys import CLAIMS, count_keys, published

from keyfob.core.database import Database
from keyfob.tokens.errors import NoSigningKey
from keyfob.tokens.keyring import Keyring


async def made(db: Database) -> list[tuple[str, int]]:
    rows = await db.fetch("SELECT algorithm, position FROM id_token_keys ORDER BY 1, 2")
    return [(row["algorithm"], row["position"]) for row in rows]


async def states_of(keyring: Keyring, algorithm: str) -> list[str]:
    return [
        key["state"]
        for key in await keyring.list_all()
        if (key["signs"], key["algorithm"]) == ("id_tokens", algorithm)
    ]


async def test_a_start_makes_no_rsa_key_and_the_chore_makes_one(
    db: Database, make_keyring: MakeKeyring
) -> None:
    keyring = make_keyring()
    await keyring.load()
    await keyring.rotate_when_due()
    assert await made(db) == []
    with pytest.raises(NoSigningKey):
        keyring.active("RS256")

    await keyring.rotate_id_tokens_when_due()
    await keyring.rotate_id_tokens_when_due()

    assert await made(db) == [("RS256", 1)]
    key = keyring.active("RS256")
    assert key.algorithm == "RS256"
    assert published(keyring) == [keyring.active().kid, key.kid]
    assert json.loads(keyring.jwks)["keys"][1]["kty"] == "RSA"


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_whoever_needs_a_key_first_makes_it_and_others_at_once_make_no_second(
    db: Database, make_keyring: MakeKeyring, algorithm: str
) -> None:
    workers = [make_keyring() for _ in range(3)]
    await asyncio.gather(*(worker.load() for worker in workers))

    await asyncio.gather(*(worker.prepare(algorithm) for worker in (*workers, *workers)))

    assert await made(db) == [(algorithm, 1)]
    assert len({worker.active(algorithm).kid for worker in workers}) == 1
    assert {worker.jwks for worker in workers} == {workers[0].jwks}


async def test_the_algorithm_of_access_tokens_is_another_matter(
    db: Database, make_keyring: MakeKeyring, make_tokens: MakeTokens
) -> None:
    keyring = make_keyring("ES256")
    await keyring.load()
    access = keyring.active().kid
    for algorithm in ("RS256", "ES256"):
        await keyring.prepare(algorithm)

    assert await count_keys(db) == 1
    assert keyring.active().kid == keyring.newest().kid == access
    assert keyring.active("ES256").kid != access
    # A key of ID tokens verifies no access token, whoever has learnt it.
    assert keyring.find(keyring.active("ES256").kid) is None
    assert make_tokens(keyring).verify(make_tokens(keyring).issue(CLAIMS)[0]).kid == access


async def test_a_key_made_elsewhere_is_read_at_the_next_poll(
    db: Database, make_keyring: MakeKeyring
) -> None:
    maker, other = make_keyring(), make_keyring()
    await maker.load()
    await other.poll(db)

    await maker.prepare("ES256")
    await other.poll(db)

    assert other.active("ES256").kid == maker.active("ES256").kid
    assert other.jwks == maker.jwks


async def test_each_series_rotates_by_itself_published_ahead(
    db: Database, make_keyring: MakeKeyring, clock: MovableClock
) -> None:
    workers = [make_keyring() for _ in range(3)]
    for worker in workers:
        await worker.load()
        await worker.prepare("EdDSA")
    old = workers[0].active("EdDSA")
    clock.advance(days=40)
    for worker in workers:
        await worker.prepare("ES256")

    clock.advance(days=50, seconds=-3600)
    await asyncio.gather(*(worker.rotate_id_tokens_when_due() for worker in workers))
    await asyncio.gather(*(worker.rotate_id_tokens_when_due() for worker in workers))

    assert await made(db) == [("ES256", 1), ("EdDSA", 1), ("EdDSA", 2), ("RS256", 1)]
    assert await states_of(workers[0], "EdDSA") == ["active", "next"]
    assert {worker.active("EdDSA").kid for worker in workers} == {old.kid}
    assert len(published(workers[0])) == 5
    clock.advance(3600)
    (new,) = {worker.active("EdDSA").kid for worker in workers}
    assert new != old.kid
    assert workers[0].active("EdDSA").signs_from == old.signs_from + timedelta(days=90)


async def test_an_old_key_is_known_until_its_last_token_has_expired_and_then_forgotten(
    db: Database, make_keyring: MakeKeyring, clock: MovableClock
) -> None:
    keyring = make_keyring()
    await keyring.load()
    await keyring.prepare("EdDSA")
    old = keyring.active("EdDSA").kid
    await keyring.rotate()

    clock.advance(3600 + 3600)
    await keyring.rotate_id_tokens_when_due()
    assert old in published(keyring)
    assert await states_of(keyring, "EdDSA") == ["retiring", "active"]

    clock.advance(301)  # a clock may have jumped
    await keyring.rotate_id_tokens_when_due()
    assert old not in published(keyring)
    assert keyring.id_tokens.find(old) is None
    assert await states_of(keyring, "EdDSA") == ["retired", "active"]
    row = await db.fetchrow("SELECT private_key FROM id_token_keys WHERE kid = $1", old)
    assert row is not None
    assert row["private_key"] == b""


async def test_a_compromise_drops_the_keys_of_every_algorithm(
    db: Database, make_keyring: MakeKeyring
) -> None:
    keyring, other = make_keyring(), make_keyring()
    await keyring.load()
    for algorithm in ("ES256", "EdDSA"):
        await keyring.prepare(algorithm)
    await keyring.rotate()  # the next keys are as old as the leak
    before = set(published(keyring))

    await keyring.rotate(compromised=True)
    await other.load()

    assert await states_of(keyring, "ES256") == ["dropped", "dropped", "active"]
    for worker in (keyring, other):
        assert not before & set(published(worker))
        assert len(published(worker)) == 3
        assert {worker.active(one).position for one in ("ES256", "EdDSA")} == {3}
        with pytest.raises(NoSigningKey):
            worker.active("RS256")


async def test_a_rotation_by_hand_is_one_of_each_algorithm(
    make_keyring: MakeKeyring, clock: MovableClock
) -> None:
    keyring = make_keyring()
    await keyring.load()
    await keyring.prepare("ES256")
    old = keyring.active("ES256").kid

    await keyring.rotate()

    assert keyring.active("ES256").kid == old
    assert await states_of(keyring, "ES256") == ["active", "next"]
    clock.advance(3600)
    assert keyring.active("ES256").kid != old


async def test_private_halves_are_sealed_and_sealed_anew(
    db: Database, make_keyring: MakeKeyring
) -> None:
    before = make_keyring("EdDSA", SECRET)
    await before.load()
    await before.prepare("ES256")
    kid = before.active("ES256").kid

    both = make_keyring("EdDSA", "another one", SECRET)
    assert await both.count_sealed() == {1: 2}
    assert await both.reseal() == 2
    assert await both.count_sealed() == {0: 2}

    alone = make_keyring("EdDSA", "another one")
    await alone.load()
    assert alone.active("ES256").kid == kid


async def test_a_series_that_nobody_rotates_is_overdue(
    make_keyring: MakeKeyring, clock: MovableClock
) -> None:
    keyring = make_keyring()
    await keyring.load()
    clock.advance(days=-91)
    await keyring.prepare("ES256")
    clock.advance(days=91)
    assert not keyring.is_overdue

    clock.advance(seconds=1)
    assert keyring.is_overdue

    await keyring.rotate()
    assert not keyring.is_overdue


async def test_while_the_clock_is_behind_the_makers_the_first_key_signs(
    make_keyring: MakeKeyring, clock: MovableClock
) -> None:
    keyring = make_keyring()
    await keyring.load()
    await keyring.prepare("ES256")

    clock.advance(-90)

    assert keyring.active("ES256").algorithm == "ES256"


async def test_a_dropped_key_is_refused_though_a_worker_has_not_made_another(
    db: Database, make_keyring: MakeKeyring
) -> None:
    keyring = make_keyring()
    await keyring.load()
    await keyring.prepare("ES256")
    old = keyring.active("ES256").kid
    await db.execute("UPDATE id_token_keys SET dropped_at = now()")

    await keyring.load()
    assert keyring.id_tokens.find(old) is None
    await keyring.prepare("ES256")

    assert keyring.active("ES256").kid != old
    assert await made(db) == [("ES256", 1), ("ES256", 2)]
