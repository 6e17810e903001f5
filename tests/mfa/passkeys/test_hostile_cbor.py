"""Hostile CBOR does not reach the parser: no tags, no indefinite lengths.

A passkey of 12 KB whose attestation had a regular expression in it took fifteen seconds.
"""

import struct
import time

import cbor2
import pytest
from tests.fixtures import passkeys
from tests.fixtures.authenticator import ED, Mistake
from tests.fixtures.world import SignedIn, World

from keyfob.mfa.passkeys.cbor import NotPlain, ensure_plain

LONGEST = 2.0  # seconds of the processor


def text(content: bytes) -> bytes:
    return b"\x79" + struct.pack(">H", len(content)) + content


def big(size: int) -> bytes:
    return b"\xc2\x59" + struct.pack(">H", size) + b"\xff" * size


REGEX = b"\xd8\x23" + text("(?i:[\u00e9-\uffff])".encode() * 500)
HOSTILE = {
    "a regular expression": REGEX,
    "groups": b"\xd8\x23" + text(b"(a)" * 3900),
    "a mail": b"\xd8\x24" + text(b"a: b\n" * 2400),
    "a decimal": b"\xc4\x82\x1a\x7f\xff\xff\xff" + big(11_000),
    "a number": big(12_000),
    "tags in tags": b"\xc1" * 12_000,
    "arrays in arrays": b"\x81" * 12_000,
    "an array without a length": b"\x9f" * 12_000,
    "text in pieces": b"\x7f" + b"\x61a" * 6000 + b"\xff",
    "many keys": b"\xb9\x0b\xb8"
    + b"".join(b"\x19" + struct.pack(">HB", n, 0) for n in range(3000)),
}


@pytest.fixture
async def ada(world: World) -> SignedIn:
    await world.make_user()
    return await world.log_in()


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
async def test_no_attestation_holds_the_interpreter(
    world: World, ada: SignedIn, content: bytes
) -> None:
    await world.make_user("ben@example.com")
    await passkeys.own_passkey(world, await world.log_in("ben@example.com"))  # loads the library
    attestation = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData" + content

    before = time.process_time()
    answer = await passkeys.add(world, ada, mistake=Mistake(raw_attestation=attestation))

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_passkey")
    assert time.process_time() - before < LONGEST


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
async def test_no_extension_holds_the_interpreter(
    world: World, ada: SignedIn, content: bytes
) -> None:
    passkey = await passkeys.own_passkey(world, ada)
    extended = Mistake(set_flags=ED, extra=content[:3000])

    before = time.process_time()
    answer = await passkeys.sign_in(world, passkey, extended)

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_factor")
    assert time.process_time() - before < LONGEST


async def test_an_honest_extension_is_read(world: World, ada: SignedIn) -> None:
    passkey = await passkeys.own_passkey(world, ada)
    told = {"credProtect": 2, "uvm": [[2, 4, 2]], "hmac-secret": b"x" * 300, "ok": True}

    answer = await passkeys.sign_in(world, passkey, Mistake(set_flags=ED, extra=cbor2.dumps(told)))

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "value",
    [0, 23, 24, 256, 2**32, -1, -(2**40), b"", b"x" * 70_000, "text" * 100, [1, [2, {3: "4"}]],
     {"fmt": "none", "attStmt": {}, "authData": bytes(37)}, True, None, 1.5, list(range(250))],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_what_authenticators_write_is_plain(value: object) -> None:
    ensure_plain(cbor2.dumps(value))
    ensure_plain(cbor2.dumps(value) + cbor2.dumps({}))  # one item after the other


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_what_none_writes_is_not(content: bytes) -> None:
    with pytest.raises(NotPlain):
        ensure_plain(content)


def test_what_ends_too_soon_is_for_the_parser_to_refuse() -> None:
    for cut in (b"\x59", b"\x59\xff", b"\x59\xff\xff", b"\x1b\x00", b"\xa1"):
        ensure_plain(cut)
