"""Changed answers of passkeys where they are verified: refused, and no other fault."""

import base64
import json
from typing import Any

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fixtures.authenticator import (
    Json,
    Mistake,
)
from tests.fixtures.hostile import decode, encode
from tests.mfa.ceremonies import (
    CREATE,
    answered_by,
    check,
    device,
    made_by,
    register,
)

from keyfob.mfa.passkeys.verification import (
    Refused,
)

# Hundreds of runs of what others cover: tracing each doubles it.
pytestmark = pytest.mark.no_cover

# What nobody thought of.

_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=12,
)
_PARTS = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]
_fuzzed = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


def assert_refused_or_the_same(credential: Json, original: Json, *, registers: bool) -> None:
    """Check that a changed credential is refused, unless no relevant part was changed."""
    try:
        if registers:
            register(credential)
        else:
            check(device(), credential)
    except Refused:
        return
    assert _what_counts(credential, registers=registers) == _what_counts(
        original, registers=registers
    )


def _what_counts(credential: Json, *, registers: bool) -> Json:
    told: Json = {key: credential["response"].get(key) for key in _PARTS}
    if registers:  # without attestation nothing signs the client's data: only what is asked counts
        data = json.loads(decode(told["clientDataJSON"]))
        told["clientDataJSON"] = {key: data[key] for key in ("type", "challenge", "origin")}
    return told


@given(data=st.data(), registers=st.booleans())
@_fuzzed
def test_changed_bytes_are_refused_and_raise_nothing_else(
    data: st.DataObject, registers: bool
) -> None:
    passkey = device(sign_count=None)
    original = passkey.make(CREATE) if registers else answered_by(passkey)
    part = data.draw(st.sampled_from([key for key in original["response"] if key in _PARTS]))
    whole = bytearray(decode(original["response"][part]))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(whole)))
        length = data.draw(st.integers(0, 8))
        whole[start : start + length] = data.draw(st.binary(max_size=12))
    changed = {**original, "response": {**original["response"], part: encode(bytes(whole))}}
    if registers and part == "attestationObject":
        # Bytes that stand for nothing may differ: the AAGUID, the counter, the flags of backup.
        try:
            register(changed)
        except Refused:
            return
        return
    assert_refused_or_the_same(changed, original, registers=registers)


@given(data=st.data(), registers=st.booleans())
@_fuzzed
def test_whatever_stands_anywhere_in_the_json_raises_nothing_else(
    data: st.DataObject, registers: bool
) -> None:
    passkey = device(sign_count=None)
    original = passkey.make(CREATE) if registers else answered_by(passkey)
    changed = json.loads(json.dumps(original))
    for place in (changed, changed["response"]):
        key = data.draw(st.sampled_from(sorted(place)))
        if data.draw(st.booleans()):
            place[key] = data.draw(_ANY)
        if not isinstance(changed["response"], dict):
            break
    try:
        if registers:
            register(changed)
        else:
            check(device(), changed)
    except Refused:
        return
    for part in ("id", "rawId", "type"):
        assert changed[part] == original[part]


@given(attested=_ANY, data=st.binary(max_size=300), name=st.sampled_from(["none", "packed", "tpm"]))
@_fuzzed
def test_whatever_cbor_raises_nothing_else(attested: Any, data: bytes, name: str) -> None:
    whole = cbor2.dumps({"fmt": name, "attStmt": attested, "authData": data})
    for raw in (whole, data, whole + data, whole[: len(data)]):
        with pytest.raises(Refused):
            register(made_by(Mistake(raw_attestation=raw or b"\x00")))


@given(key=st.dictionaries(st.sampled_from([1, 3, -1, -2, -3, 0, "1"]), _ANY, max_size=6))
@_fuzzed
def test_whatever_key_raises_nothing_else(key: dict[Any, Any]) -> None:
    with pytest.raises(Refused):
        register(made_by(Mistake(public_key=cbor2.dumps({1: 2, 3: -7, -1: 1} | key))))


def test_padding_and_other_spellings_of_base64_are_refused() -> None:
    honest = device().make(CREATE)
    whole = decode(honest["response"]["clientDataJSON"])
    for spelled in (
        base64.urlsafe_b64encode(whole + b" ").decode(),
        base64.b64encode(whole).decode() + "=",
        honest["response"]["clientDataJSON"] + "\n",
        honest["response"]["clientDataJSON"] + "*",
    ):
        response = {**honest["response"], "clientDataJSON": spelled}
        with pytest.raises(Refused):
            register({**honest, "response": response})
