"""The forms of the stored hashes, and the number of accounts with each."""

from typing import Any

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.people import insert_people, make_people
from tests.fixtures.world import World
from tests.passwords.test_forms import EVERY_FORM

from keyfob.core.database import Database
from keyfob.core.encryption import SecretKeyring
from keyfob.passwords import queries
from keyfob.passwords.forms import check_of
from keyfob.passwords.schemes import Argon2id, Bcrypt
from keyfob.passwords.stored import StoredForms, decoy_of

PRESENT = Bcrypt(4)
ADDRESSES = [f"unknown{number}@example.com" for number in range(400)]


def forms_over(db: Database, secret: str = "a secret key that only the tests know") -> StoredForms:
    ring = SecretKeyring([secret]).derive("decoys")
    return StoredForms(db, ring, PRESENT)


async def store(db: Database, hashes: list[str | None]) -> None:
    """Give people these hashes in turn, in a table without empty blocks of earlier tests."""
    await db.execute("TRUNCATE users CASCADE")
    await insert_people(db, make_people())
    for place, one in enumerate(hashes):
        await db.execute(
            """
            UPDATE users SET password_hash = $1
             WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) AS place
                                            FROM users) AS people
                           WHERE place % $2 = $3)
            """,
            one,
            len(hashes),
            place,
        )


@pytest.mark.parametrize("stored", EVERY_FORM)
def test_a_decoy_is_checked_like_its_form_and_tells_nothing_of_it(stored: str) -> None:
    decoy = decoy_of(stored)

    assert decoy is not None
    assert decoy != stored
    assert len(decoy) == len(stored)
    assert decoy_of(decoy) == decoy
    assert check_of(decoy) is not None
    shortest = min(len(one) for one in (decoy, stored))
    kept = [a for a, b in zip(stored[:shortest], decoy, strict=False) if a == b]
    assert len(kept) < 45  # name, version and costs; of salt and digest what is alike by chance


@pytest.mark.parametrize("scheme", [Bcrypt(4), Bcrypt(12), Argon2id(64, 1)])
def test_the_decoy_of_a_scheme_is_that_of_its_hashes(scheme: Bcrypt | Argon2id) -> None:
    assert decoy_of(scheme.decoy) == scheme.decoy
    if scheme != Bcrypt(12):
        assert decoy_of(scheme.hash("a password")) == scheme.decoy


def test_what_is_no_hash_has_no_decoy() -> None:
    assert decoy_of("!") is None


async def test_addresses_draw_the_forms_as_often_as_accounts_have_them(db: Database) -> None:
    old, elsewhere = Bcrypt(5).hash("x"), Argon2id(64, 1).hash("x")
    await store(db, [old, old, elsewhere, PRESENT.hash("x"), None, "nonsense"])
    stored = forms_over(db)
    assert {stored.draw(address) for address in ADDRESSES} == {PRESENT.decoy}

    await stored.count()

    drawn = [stored.draw(address) for address in ADDRESSES]
    shares = {form: drawn.count(form) / len(drawn) for form in set(drawn)}
    assert shares == {
        decoy_of(old): pytest.approx(0.5, abs=0.1),
        decoy_of(elsewhere): pytest.approx(0.25, abs=0.1),
        PRESENT.decoy: pytest.approx(0.25, abs=0.1),
    }
    again = forms_over(db)
    await again.count()
    assert [again.draw(address) for address in ADDRESSES] == drawn
    other = forms_over(db, "another secret key, which the tests know as well")
    await other.count()
    assert [other.draw(address) for address in ADDRESSES] != drawn


async def test_as_accounts_go_over_to_the_present_form_so_do_addresses_and_none_back(
    db: Database,
) -> None:
    old = Bcrypt(5).hash("x")
    await store(db, [old, old, old, PRESENT.hash("x")])
    stored = forms_over(db)
    await stored.count()
    before = [stored.draw(address) for address in ADDRESSES]

    await db.execute("UPDATE users SET password_hash = $1 WHERE name IS NULL", PRESENT.hash("y"))
    await stored.count()
    after = [stored.draw(address) for address in ADDRESSES]

    changes = {pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]}
    assert changes == {(decoy_of(old), PRESENT.decoy)}


async def test_what_is_far_dearer_is_no_form_to_draw(db: Database) -> None:
    await store(db, [Bcrypt(4).decoy.replace("r=4", "r=16"), PRESENT.hash("x")])
    stored = forms_over(db)

    await stored.count()

    assert {stored.draw(address) for address in ADDRESSES} == {PRESENT.decoy}
    amount, named = await stored.list_unusable()
    assert amount == 150
    assert len(named) == 20


async def test_of_a_large_table_a_part_is_read_and_each_time_the_same(db: Database) -> None:
    await store(db, [Bcrypt(5).hash("x"), PRESENT.hash("x")])

    first, second = [await queries.list_stored_forms(db, most_blocks=4) for _ in range(2)]

    assert 0 < sum(row.accounts for row in first) < 300
    assert second == first


async def test_every_worker_counts_at_its_start(world: World, clock: MovableClock) -> None:
    (chore,) = (one for one in world.wiring.worker.chores if "forms" in one.name)
    told: Any = chore.run

    assert chore.at_start
    assert told == world.service(StoredForms).count
