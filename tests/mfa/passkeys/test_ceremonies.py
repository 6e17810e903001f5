"""Hostile answers of passkeys, straight to where they are verified."""

from dataclasses import replace

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.fixtures.authenticator import (
    AT,
    BE,
    BS,
    ED,
    UP,
    UV,
    Json,
    Mistake,
    cose_of,
    es256,
)
from tests.fixtures.hostile import encode
from tests.mfa.ceremonies import (
    CHALLENGE,
    CREATE,
    GET,
    KEYS,
    ORIGIN,
    OWNER,
    RSA_KEY,
    SOMEBODY,
    answered_by,
    check,
    device,
    made_by,
    register,
)

from keyfob.mfa.models import Assertion
from keyfob.mfa.passkeys.verification import Refused


@pytest.mark.parametrize("algorithm", KEYS)
def test_each_algorithm_that_is_offered_works(algorithm: str) -> None:
    passkey = device(key=KEYS[algorithm])

    made = register(passkey.make(CREATE))

    assert made.credential_id == passkey.credential_id
    assert made.public_key == cbor2.dumps(cose_of(passkey.key))
    assert made.transports == ["hybrid", "internal"]
    assert check(passkey, passkey.answer(GET)).sign_count == 1


def test_a_second_origin_of_ours_works() -> None:
    passkey = device(origin="https://example.com")

    register(passkey.make(CREATE))
    check(passkey, passkey.answer(GET))


def test_a_key_that_vouches_for_itself_works_and_a_false_voucher_does_not() -> None:
    passkey = device()

    assert register(passkey.attest_itself(CREATE)).credential_id == passkey.credential_id
    with pytest.raises(Refused):
        register(passkey.attest_itself(CREATE, Mistake(signer=es256())))


UNINVITED: dict[str, Json] = {
    "packed": {"alg": -7, "sig": b"\x30", "x5c": [b"\x30\x82" + bytes(200)]},
    "fido-u2f": {"sig": b"\x30", "x5c": [b"\x30\x82" + bytes(200)]},
    "tpm": {"ver": "2.0", "alg": -257, "x5c": [b"0"], "sig": b"0", "certInfo": b"", "pubArea": b""},
    "android-key": {"alg": -7, "sig": b"0", "x5c": [b"0"]},
    "apple": {"x5c": [b"0", b"1"]},
    "compound": {},
}


@pytest.mark.parametrize("name", UNINVITED)
def test_an_attestation_that_nobody_asked_for_is_left_unread(name: str) -> None:
    passkey = device()
    attestation = {"fmt": name, "attStmt": UNINVITED[name]}

    made = register(passkey.make(CREATE, Mistake(attestation=attestation)))

    assert made.public_key == cbor2.dumps(cose_of(passkey.key))
    assert check(passkey, passkey.answer(GET)).sign_count == 1


def test_whether_it_is_backed_up_is_told() -> None:
    synced = device(flags=UP | UV | BE | BS, sign_count=None)

    made = register(synced.make(CREATE))
    assert (made.backup_eligible, made.backed_up) == (True, True)
    assert check(synced, synced.answer(GET)) == Assertion(0, backup_eligible=True, backed_up=True)
    synced.flags = UP | UV | BE
    assert check(synced, synced.answer(GET)).backed_up is False
    synced.flags = UP | UV
    assert check(synced, synced.answer(GET)).backup_eligible is False


WRONG_IN_BOTH = {
    "origin": Mistake(origin="https://login.example.org"),
    "origin without its port": Mistake(origin=ORIGIN + ":8443"),
    "origin below ours": Mistake(origin="https://evil.login.example.com"),
    "origin that begins as ours": Mistake(origin=ORIGIN + ".example.org"),
    "origin by http": Mistake(origin="http://login.example.com"),
    "origin null": Mistake(client_data={"origin": None}),
    "origin a list": Mistake(client_data={"origin": [ORIGIN]}),
    "rp id": Mistake(rp_id="example.org"),
    "rp id below ours": Mistake(rp_id="login.example.com"),
    "challenge": Mistake(challenge=encode(bytes(32))),
    "challenge empty": Mistake(client_data={"challenge": ""}),
    "challenge cut": Mistake(challenge=encode(CHALLENGE[:16])),
    "challenge a number": Mistake(client_data={"challenge": 5}),
    "type": Mistake(type="payment.get"),
    "type missing": Mistake(client_data={"type": None}),
    "frame": Mistake(client_data={"crossOrigin": True}),
    "frame of another": Mistake(client_data={"topOrigin": "https://example.org"}),
    "frame of ours": Mistake(client_data={"topOrigin": ORIGIN}),
    "nobody was there": Mistake(clear_flags=UP),
    "nobody was verified": Mistake(clear_flags=UV),
    "backed up though it cannot be": Mistake(set_flags=BS),
    "extensions that are not there": Mistake(set_flags=ED),
    "bytes left over": Mistake(extra=b"\x00"),
    "client data no JSON": Mistake(raw_client_data=b"{"),
    "client data no object": Mistake(raw_client_data=b"[]"),
    "client data no UTF-8": Mistake(raw_client_data=b"\xff\xfe{}"),
    "client data too deep": Mistake(raw_client_data=b"[" * 5000),
    "token binding": Mistake(client_data={"tokenBinding": {}}),
    "another kind of credential": Mistake(outer={"type": "password"}),
    "id and raw id differ": Mistake(outer={"id": encode(b"another")}),
    "id spelled otherwise": Mistake(outer={"rawId": encode(bytes(32)) + "=="}),
    "no response": Mistake(outer={"response": None}),
}


@pytest.mark.parametrize("wrong", WRONG_IN_BOTH)
def test_a_wrong_registration_is_refused(wrong: str) -> None:
    with pytest.raises(Refused):
        register(made_by(WRONG_IN_BOTH[wrong]))


@pytest.mark.parametrize("wrong", WRONG_IN_BOTH)
def test_beside_such_an_attestation_a_wrong_registration_is_refused_all_the_same(
    wrong: str,
) -> None:
    attestation = {"fmt": "packed", "attStmt": UNINVITED["packed"]}
    with pytest.raises(Refused):
        register(made_by(replace(WRONG_IN_BOTH[wrong], attestation=attestation)))


@pytest.mark.parametrize("wrong", WRONG_IN_BOTH)
def test_a_wrong_assertion_is_refused(wrong: str) -> None:
    passkey = device()

    with pytest.raises(Refused):
        check(passkey, answered_by(passkey, WRONG_IN_BOTH[wrong]))


def test_one_ceremony_is_not_the_other() -> None:
    passkey = device()

    with pytest.raises(Refused, match=r"webauthn\.get"):
        register(made_by(Mistake(type="webauthn.get")))
    with pytest.raises(Refused, match=r"webauthn\.create"):
        check(passkey, answered_by(passkey, Mistake(type="webauthn.create")))


def rsa_cose(n: bytes, e: bytes) -> bytes:
    return cbor2.dumps({1: 3, 3: -257, -1: n, -2: e})


_EC = cose_of(KEYS["ES256"])
_ED = cose_of(KEYS["EdDSA"])
WRONG_KEYS = {
    "ES384": cbor2.dumps(cose_of(ec.generate_private_key(ec.SECP384R1()))),
    "ES512": cbor2.dumps(cose_of(ec.generate_private_key(ec.SECP521R1()))),
    "Ed448": cbor2.dumps({1: 1, 3: -53, -1: 7, -2: bytes(57)}),
    "RS1": cbor2.dumps({**cose_of(RSA_KEY), 3: -65535}),
    "PS256": cbor2.dumps({**cose_of(RSA_KEY), 3: -37}),
    "P-384 as ES256": cbor2.dumps({**cose_of(ec.generate_private_key(ec.SECP384R1())), 3: -7}),
    "P-256 as EdDSA": cbor2.dumps({**_EC, 3: -8}),
    "P-256 as RS256": cbor2.dumps({**_EC, 3: -257}),
    "Ed25519 as ES256": cbor2.dumps({**_ED, 3: -7}),
    "not on its curve": cbor2.dumps({**_EC, -2: bytes(31) + b"\x01"}),
    "no point": cbor2.dumps({**_EC, -2: b"", -3: b""}),
    "no curve": cbor2.dumps({key: value for key, value in _EC.items() if key != -1}),
    "of U2F, cut": b"\x04",
    "RSA of 1024 bits": rsa_cose((1 << 1023 | 1).to_bytes(128), b"\x01\x00\x01"),
    "RSA of 16384 bits": rsa_cose((1 << 16383 | 1).to_bytes(2048), b"\x01\x00\x01"),
    "RSA with an even exponent": rsa_cose((1 << 2047 | 1).to_bytes(256), b"\x02"),
    "RSA with an exponent of 1": rsa_cose((1 << 2047 | 1).to_bytes(256), b"\x01"),
    "with a lot beside": cbor2.dumps({**_EC, 99: bytes(2000)}),
    "a key twice": b"\xa6" + cbor2.dumps(_EC)[1:] + b"\x03\x26",
    "no map": cbor2.dumps([1, 2, 3]),
    "a private key": cbor2.dumps({1: 4, 3: -7, -1: bytes(32)}),
    "a symmetric key": cbor2.dumps({1: 4, 3: 5, -1: bytes(32)}),
    "text for numbers": cbor2.dumps({"1": 2, "3": -7}),
    "nothing": b"\xf6",
}


@pytest.mark.parametrize("name", WRONG_KEYS)
def test_a_key_that_was_not_offered_or_is_none_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        register(made_by(Mistake(public_key=WRONG_KEYS[name])))


@pytest.mark.parametrize(
    "wrong",
    [
        Mistake(credential_id=b""),
        Mistake(credential_id=b"another than was told"),
        Mistake(clear_flags=AT),
        Mistake(attestation={"fmt": "none", "attStmt": {"sig": b"x"}}),
        Mistake(attestation={"fmt": "none", "attStmt": {"x": 1}}),
        Mistake(attestation={"fmt": "packed", "attStmt": {}}),
        Mistake(attestation={"fmt": "tpm", "attStmt": []}),
        Mistake(attestation={"fmt": "tpm"}),
        Mistake(attestation={"fmt": 5, "attStmt": {}}),
        Mistake(attestation={"fmt": [], "attStmt": {}}),
        Mistake(attestation={"attStmt": {}}),
        Mistake(raw_attestation=b"\xa0"),
        Mistake(raw_attestation=b"\x81" * 12000),
        Mistake(raw_attestation=b"\xa1\x01" * 5000 + b"\x00"),
        Mistake(raw_attestation=b"\x9b" + b"\xff" * 8),
        Mistake(raw_attestation=b"\x5b\x7f" + b"\xff" * 7),
        Mistake(raw_attestation=b"\xc2\x5a\x00\x00\x20\x00" + b"\xff" * 8192),
        Mistake(raw_attestation=b"\xd8\x1d\x00" * 3),
    ],
    ids=lambda mistake: repr(mistake.attestation or mistake.raw_attestation or mistake)[:60],
)
def test_a_hostile_attestation_is_refused(wrong: Mistake) -> None:
    with pytest.raises(Refused):
        register(made_by(wrong))


def test_an_id_of_1023_bytes_is_taken_and_a_longer_one_is_not() -> None:
    assert len(register(made_by(credential_id=bytes(1023))).credential_id) == 1023
    with pytest.raises(Refused):
        register(made_by(credential_id=bytes(1024)))


def test_another_s_signature_is_refused() -> None:
    passkey = device()

    with pytest.raises(Refused, match="signature"):
        check(passkey, answered_by(passkey, Mistake(signer=es256())))


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_signature_of_another_algorithm_is_refused(algorithm: str) -> None:
    for other in KEYS.keys() - {algorithm}:
        passkey = device(key=KEYS[algorithm])
        with pytest.raises(Refused):
            check(passkey, answered_by(passkey, Mistake(signer=KEYS[other])))


def test_alone_a_passkey_has_to_name_its_owner() -> None:
    passkey = device()
    for wrong in (
        Mistake(user_handle=SOMEBODY.bytes),
        Mistake(user_handle=OWNER.bytes[:8]),
        Mistake(user_handle=str(OWNER).encode()),
        Mistake(user_handle=b""),
        Mistake(no_user_handle=True),
    ):
        with pytest.raises(Refused, match="user handle"):
            check(passkey, answered_by(passkey, wrong))


def test_as_a_second_factor_it_may_leave_the_owner_out_but_name_no_other() -> None:
    passkey = device()
    for silent in (Mistake(user_handle=b""), Mistake(no_user_handle=True)):
        check(passkey, answered_by(passkey, silent), names_user=False)
    with pytest.raises(Refused, match="user handle"):
        check(
            passkey,
            answered_by(passkey, Mistake(user_handle=SOMEBODY.bytes)),
            names_user=False,
        )


def test_as_a_second_factor_a_touch_is_enough() -> None:
    passkey = device(flags=UP)

    check(passkey, answered_by(passkey), verifies_user=False)
    with pytest.raises(Refused, match="User verification"):
        check(passkey, answered_by(passkey))


def test_why_it_was_refused_fits_on_one_short_line() -> None:
    with pytest.raises(Refused) as refused:
        register(made_by(Mistake(origin="https://x\n\x1b[2J\u202e" + "x" * 5000)))

    assert str(refused.value).isprintable()
    assert len(str(refused.value)) <= 200


def test_a_cloned_key_signs_as_well_as_the_first() -> None:
    """Only the counter reveals a copy: see `test_passkey_sign_in`."""
    passkey = device()
    copy = replace(passkey, user_handle=OWNER.bytes)

    assert check(passkey, answered_by(passkey)) == check(copy, copy.answer(GET))
