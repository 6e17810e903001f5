"""The refresh token itself: one spelling, one origin, and nothing that a forger can change."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fixtures.hostile import BASE64URL, decode, each_change, encode

from keyfob.core.encryption import SecretKeyring
from keyfob.core.secrets import random_bytes
from keyfob.sessions.refresh_tokens import PREFIX, RefreshToken, RefreshTokenCodec

OLD, NEW = "the old secret key, of 32 or more", "the new secret key, of 32 or more"

TOKEN = RefreshToken(UUID(int=0x0192_0000_0000_7000_8000_0000_0000_0001), 41, bytes(range(16)))


def codec_of(*secrets: str, purpose: str = "refresh tokens") -> RefreshTokenCodec:
    return RefreshTokenCodec(SecretKeyring(secrets).derive(purpose))


CODEC = codec_of(OLD)
TEXT = CODEC.write(TOKEN)


@given(st.uuids(), st.integers(0, 2**31 - 1), st.binary(min_size=16, max_size=16))
def test_what_is_written_is_read(session_id: UUID, generation: int, salt: bytes) -> None:
    token = RefreshToken(session_id, generation, salt)

    text = CODEC.write(token)

    assert CODEC.read(text) == token
    assert CODEC.write(token) == text, "a replay gives the same successor"
    assert len(text) == 100
    assert set(text) <= set(BASE64URL)


def test_every_change_of_every_character_is_seen() -> None:
    assert CODEC.read(TEXT) == TOKEN
    for changed in each_change(TEXT, per_place=63):
        assert CODEC.read(changed) is None


def test_every_other_length_is_seen() -> None:
    for length in range(len(TEXT)):
        assert CODEC.read(TEXT[:length]) is None
        assert CODEC.read(TEXT[length + 1 :]) is None
        assert CODEC.read(TEXT[:length] + TEXT[length + 1 :]) is None, "one character taken out"
    for end in ("A", "AA", "AAAA", "=", "==", "\n", " ", "\x00", "é"):
        assert CODEC.read(TEXT + end) is None
        assert CODEC.read(end + TEXT) is None


@pytest.mark.parametrize("stray", ["=", "\n", " ", "*", "+", "/", "\x00", "é", "\ud800", "\u0660"])
def test_no_stray_character_is_skipped(stray: str) -> None:
    for place in range(len(TEXT)):
        assert CODEC.read(TEXT[:place] + stray + TEXT[place:]) is None
        assert CODEC.read(TEXT[:place] + stray + TEXT[place + 1 :]) is None


def test_the_other_base64_alphabet_is_no_second_spelling() -> None:
    texts = (CODEC.write(TOKEN._replace(generation=number)) for number in range(100))
    text = next(text for text in texts if "-" in text[4:] and "_" in text[4:])
    assert CODEC.read(text) is not None

    head, body = text[:4], text[4:]
    for other in (body.replace("-", "+"), body.replace("_", "/")):
        assert CODEC.read(head + other) is None


@pytest.mark.parametrize("prefix", ["", "KFR_", "kfr-", "kfr", "kfx_", "kfa_"])
def test_a_token_of_another_kind_is_none(prefix: str) -> None:
    assert CODEC.read(prefix + TEXT.removeprefix(PREFIX)) is None


def test_every_change_of_every_bit_is_seen() -> None:
    data = decode(TEXT.removeprefix(PREFIX))
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        assert CODEC.read(PREFIX + encode(bytes(changed))) is None


def test_parts_of_two_genuine_tokens_make_no_third() -> None:
    other = RefreshToken(UUID(int=2), 7, random_bytes(16))
    one, two = (decode(CODEC.write(t).removeprefix(PREFIX)) for t in (TOKEN, other))
    for cut in (20, 24, 40):  # before them both are alike: the version and the key's id
        assert CODEC.read(PREFIX + encode(one[:cut] + two[cut:])) is None
        assert CODEC.read(PREFIX + encode(two[:cut] + one[cut:])) is None


def test_a_key_of_another_purpose_or_server_makes_no_token() -> None:
    assert codec_of(NEW).read(TEXT) is None
    assert codec_of(OLD, purpose="cursors").read(TEXT) is None


def test_a_new_server_key_reads_the_old_ones_tokens_and_writes_its_own() -> None:
    both = codec_of(NEW, OLD)

    assert both.read(TEXT) == TOKEN
    assert both.write(TOKEN) == codec_of(NEW).write(TOKEN) != TEXT
    assert codec_of(NEW).read(both.write(TOKEN)) == TOKEN


def test_the_row_keeps_a_digest_from_which_no_token_can_be_made() -> None:
    assert TOKEN.salt not in TOKEN.secret_hash
    assert len(TOKEN.secret_hash) == 32
    assert RefreshToken(TOKEN.session_id, 0, TOKEN.salt).secret_hash == TOKEN.secret_hash
    assert TOKEN._replace(salt=bytes(16)).secret_hash != TOKEN.secret_hash


def test_a_token_of_another_version_is_none() -> None:
    key = SecretKeyring([OLD]).derive("refresh tokens").first
    data = decode(TEXT.removeprefix(PREFIX))
    for version in (0, 2, 255):
        body = bytes([version]) + data[1:40]
        assert CODEC.read(PREFIX + encode(body + key.mac(body))) is None
    assert CODEC.read(PREFIX + encode(data[:40] + key.mac(data[:40]))) == TOKEN
