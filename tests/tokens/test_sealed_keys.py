"""Stored private keys: encrypted, encrypted again, bound to their row, and deleted in time."""

import pytest
from tests.fixtures.clock import MovableClock
from tests.tokens.conftest import SECRET, MakeKeyring, MakeTokens
from tests.tokens.keys import CLAIMS, count_keys, published

from keyfob.core.database import Database
from keyfob.core.encryption import CannotDecrypt

ANOTHER_SECRET = "another secret key that only the tests know"


async def test_private_keys_are_sealed_at_rest(db: Database, make_keyring: MakeKeyring) -> None:
    keyring = make_keyring()
    await keyring.load()
    private = keyring.active().private_key

    row = await db.fetchrow("SELECT * FROM signing_keys")

    assert row is not None
    assert private.private_bytes_raw() not in row["private_key"]  # type: ignore[union-attr] # Ed25519
    assert set(row["public_jwk"]) == {"kty", "crv", "x", "kid", "use", "alg"}


async def test_a_new_secret_key_opens_what_the_old_one_sealed_and_seals_it_anew(
    db: Database, make_keyring: MakeKeyring, make_tokens: MakeTokens
) -> None:
    before = make_keyring("EdDSA", SECRET)
    await before.load()
    await before.rotate()
    token = make_tokens(before).issue(CLAIMS)[0]

    both = make_keyring("EdDSA", ANOTHER_SECRET, SECRET)
    await both.load()
    assert make_tokens(both).verify(token).claims == CLAIMS
    assert await both.reseal() == 2
    assert await both.reseal() == 0

    alone = make_keyring("EdDSA", ANOTHER_SECRET)
    await alone.load()
    assert make_tokens(alone).verify(token).claims == CLAIMS
    with pytest.raises(CannotDecrypt):
        await make_keyring("EdDSA", SECRET).load()


async def test_a_secret_key_dropped_too_early_is_said_by_its_name(
    db: Database, make_keyring: MakeKeyring
) -> None:
    await make_keyring("EdDSA", SECRET).load()

    with pytest.raises(CannotDecrypt, match="not in KEYFOB_SECRET_KEY"):
        await make_keyring("EdDSA", ANOTHER_SECRET).load()

    assert await count_keys(db) == 1, "no second key was made beside the one that cannot be opened"


async def test_private_keys_cannot_be_swapped_between_rows(
    db: Database, make_keyring: MakeKeyring
) -> None:
    keyring = make_keyring()
    await keyring.load()
    await keyring.rotate()
    await db.execute(
        "UPDATE signing_keys SET private_key = (SELECT private_key FROM signing_keys"
        " WHERE position = 1) WHERE position = 2"
    )

    with pytest.raises(CannotDecrypt, match="changed"):
        await make_keyring().load()


async def test_a_key_that_a_clock_ahead_forgot_stops_nobody(
    make_keyring: MakeKeyring, clock: MovableClock
) -> None:
    ahead, behind = make_keyring(), make_keyring()
    await ahead.load()
    new = await ahead.rotate()
    clock.advance(3600 + 300 + 300)
    await ahead.rotate_when_due()
    clock.advance(-90)

    await behind.load()

    assert behind.active().kid == new
    assert published(behind) == [new]


async def test_what_signs_and_verifies_no_more_is_forgotten(
    db: Database, make_keyring: MakeKeyring, clock: MovableClock
) -> None:
    keyring = make_keyring()
    await keyring.load()
    await keyring.rotate()
    held = "SELECT array_agg(private_key <> '' ORDER BY position) FROM signing_keys"

    clock.advance(3600 + 300)
    await keyring.rotate_when_due()
    assert await db.fetchval(held) == [True, True], "the old key's last token may live"

    clock.advance(300)
    await keyring.rotate_when_due()
    assert await db.fetchval(held) == [False, True]

    await keyring.rotate(compromised=True)
    await keyring.rotate_when_due()
    assert await db.fetchval(held) == [False, False, True]
    await make_keyring().load()
    assert await keyring.reseal() == 0
