"""The secret keyring: only the same key can decrypt, and every changed byte is detected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.core.encryption import KEY_ID_BYTES, Box, CannotDecrypt, KeyRing, SecretKeyring

OLD, NEW = "the old secret key, of 32 or more", "the new secret key, of 32 or more"
PLAIN, ROW = b"a private key", b"its row"


def box_of(*secrets: str, purpose: str = "signing keys") -> Box:
    return Box(SecretKeyring(secrets).derive(purpose))


def ring_of(*secrets: str, purpose: str = "audit") -> KeyRing:
    return SecretKeyring(secrets).derive(purpose)


@given(st.binary(max_size=300), st.binary(max_size=50))
def test_what_is_sealed_is_opened(plain: bytes, row: bytes) -> None:
    box = box_of(OLD)

    sealed = box.seal(plain, row)

    assert box.open(sealed, row) == plain
    assert len(sealed) == KEY_ID_BYTES + 12 + len(plain) + 16
    assert box.seal(plain, row) != sealed, "a nonce is never used twice"


def test_every_change_of_every_bit_is_seen() -> None:
    box = box_of(OLD)
    sealed = box.seal(PLAIN, ROW)
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CannotDecrypt):
            box.open(bytes(changed), ROW)


def test_every_other_length_is_seen() -> None:
    box = box_of(OLD)
    sealed = box.seal(PLAIN, ROW)
    for changed in [*(sealed[:length] for length in range(len(sealed))), sealed + b"\x00"]:
        with pytest.raises(CannotDecrypt):
            box.open(changed, ROW)


def test_a_ciphertext_belongs_to_its_row_and_its_purpose() -> None:
    sealed = box_of(OLD).seal(PLAIN, ROW)

    with pytest.raises(CannotDecrypt, match="changed"):
        box_of(OLD).open(sealed, b"another row")
    with pytest.raises(CannotDecrypt):
        box_of(OLD, purpose="webhooks").open(sealed, ROW)
    with pytest.raises(CannotDecrypt, match="not in KEYFOB_SECRET_KEY"):
        box_of(NEW).open(sealed, ROW)


def test_the_first_key_seals_and_every_key_opens() -> None:
    old = box_of(OLD).seal(PLAIN, ROW)
    both = box_of(NEW, OLD)
    new = both.seal(PLAIN, ROW)

    assert both.open(old, ROW) == both.open(new, ROW) == PLAIN
    assert not both.is_current(old)
    assert both.is_current(new)
    assert box_of(NEW).open(new, ROW) == PLAIN
    with pytest.raises(CannotDecrypt):
        box_of(OLD).open(new, ROW)


def test_each_purpose_has_keys_of_its_own_and_their_ids_tell_nothing() -> None:
    keyring = SecretKeyring([OLD, NEW])
    keys = [key for purpose in ("audit", "cursors") for key in keyring.derive(purpose).keys]

    assert len({key.secret for key in keys}) == 4
    assert len({key.id for key in keys}) == 4
    for key in keys:
        assert len(key.secret) == 32
        assert len(key.id) == KEY_ID_BYTES
        assert key.id not in key.secret
    assert OLD not in repr(keys)
    assert repr(keys[0].secret) not in repr(keys[0])


def test_the_keys_are_the_same_at_every_start() -> None:
    # Should these change, nothing that was ever sealed or signed could be read again.
    key = ring_of(OLD).first

    assert key == ring_of(OLD).first
    assert key.id.hex() == "170ee1"
    assert key.mac(b"").hex()[:16] == "fd968b045c605920"


def test_a_ring_finds_its_keys_by_their_ids() -> None:
    ring = ring_of(NEW, OLD)

    assert ring.first == ring.find(ring.first.id) == ring_of(NEW).first
    assert ring.find(ring_of(OLD).first.id) == ring_of(OLD).first
    assert ring.find(b"\x00\x00\x00") is None
    assert ring.find(b"") is None


def test_a_mac_depends_on_key_purpose_and_every_byte() -> None:
    key = ring_of(OLD).first
    macs = {
        key.mac(b"message"),
        key.mac(b"messagf"),
        key.mac(b"message\x00"),
        ring_of(NEW).first.mac(b"message"),
        ring_of(OLD, purpose="cursors").first.mac(b"message"),
    }

    assert len(macs) == 5
    assert {len(mac) for mac in macs} == {32}
