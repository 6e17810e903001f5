"""Access tokens that were never issued: each is refused, for a reason that the log may tell."""

import json
from itertools import product

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.fixtures.hostile import (
    Json,
    Sign,
    claims_of,
    decode,
    each_change,
    encode,
    forge,
    header_of,
    hs256,
    unsigned,
)
from tests.tokens.keys import CLAIMS, reason_of

from keyfob.tokens.access import AccessTokens
from keyfob.tokens.keyring import Keyring


def test_a_genuine_token_is_believed_however_it_was_put_together(
    tokens: AccessTokens, genuine: str, insider: Sign
) -> None:
    rebuilt = forge(header_of(genuine), claims_of(genuine), insider)

    assert tokens.verify(rebuilt).claims == tokens.verify(genuine).claims == CLAIMS


@pytest.mark.parametrize("alg", ["".join(p) for p in product("nN", "oO", "nN", "eE")] + ["", None])
def test_alg_none_in_any_case_is_refused(tokens: AccessTokens, genuine: str, alg: object) -> None:
    header = {**header_of(genuine), "alg": alg}
    claims = claims_of(genuine)

    for token in (
        forge(header, claims, unsigned),
        forge(header, claims, lambda _: decode(genuine.rpartition(".")[2])),
    ):
        assert reason_of(tokens, token) in {"unknown_key", "malformed"}


def public_forms(keyring: Keyring) -> dict[str, bytes]:
    """Return everything that might be taken for a secret by a verifier that trusts the header."""
    key = keyring.active().public_key
    info = PublicFormat.SubjectPublicKeyInfo
    x = keyring.active().public_jwk["x"]
    return {
        "pem": key.public_bytes(Encoding.PEM, info),
        "pem without its last line break": key.public_bytes(Encoding.PEM, info).strip(),
        "der": key.public_bytes(Encoding.DER, info),
        "raw": decode(x),
        "jwk x": x.encode(),
        "jwk": json.dumps(keyring.active().public_jwk).encode(),
        "nothing": b"",
        "kid": keyring.active().kid.encode(),
    }


@pytest.mark.parametrize("alg", ["HS256", "hs256", "EdDSA"])
def test_the_public_key_is_no_secret_to_sign_with(
    tokens: AccessTokens, keyring: Keyring, genuine: str, alg: str
) -> None:
    header = {**header_of(genuine), "alg": alg}
    for secret in public_forms(keyring).values():
        token = forge(header, claims_of(genuine), hs256(secret))

        assert reason_of(tokens, token) in {"unknown_key", "bad_signature"}


@pytest.mark.parametrize("alg", ["HS384", "HS512", "ES256", "RS256", "PS256", "Ed25519", "EdDSA "])
def test_the_algorithm_is_the_keys_and_not_the_headers(
    tokens: AccessTokens, genuine: str, insider: Sign, alg: str
) -> None:
    header = {**header_of(genuine), "alg": alg}

    assert reason_of(tokens, forge(header, claims_of(genuine), insider)) == "unknown_key"


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../etc/passwd",
        "/dev/null",
        "' OR '1'='1",
        "x'; DROP TABLE signing_keys; --",
        "https://evil.example/jwks.json",
        "file:///etc/hostname",
        "",
        "\x00",
        "a" * 2000,
        None,
        0,
        True,
        ["kid"],
        {"kid": "kid"},
    ],
)
def test_a_foreign_kid_is_unknown_and_costs_nothing(
    tokens: AccessTokens, genuine: str, insider: Sign, kid: object
) -> None:
    header = {**header_of(genuine), "kid": kid}

    reason = reason_of(tokens, forge(header, claims_of(genuine), insider))

    assert reason in {"unknown_key", "malformed"}


def test_no_kid_at_all_is_refused(tokens: AccessTokens, genuine: str, insider: Sign) -> None:
    header = {name: value for name, value in header_of(genuine).items() if name != "kid"}

    assert reason_of(tokens, forge(header, claims_of(genuine), insider)) == "unknown_key"


def attackers_key() -> tuple[Ed25519PrivateKey, Json]:
    key = Ed25519PrivateKey.generate()
    x = encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    return key, {"kty": "OKP", "crv": "Ed25519", "x": x, "alg": "EdDSA", "use": "sig"}


@pytest.mark.parametrize("keeps_kid", [True, False])
def test_a_key_in_the_header_is_not_listened_to(
    tokens: AccessTokens, genuine: str, keeps_kid: bool
) -> None:
    key, jwk = attackers_key()
    kid = header_of(genuine)["kid"] if keeps_kid else "mine"
    for extra in (
        {"jwk": {**jwk, "kid": kid}},
        {"jku": "https://evil.example/jwks.json"},
        {"jku": "file:///etc/hostname"},
        {"x5u": "https://evil.example/chain.pem"},
        {"x5c": ["MIIB"]},
        {"x5t": "AAAA"},
    ):
        header = {**header_of(genuine), "kid": kid, **extra}

        reason = reason_of(tokens, forge(header, claims_of(genuine), key.sign))

        assert reason == ("bad_signature" if keeps_kid else "unknown_key")


@pytest.mark.parametrize(
    "extra",
    [
        {"crit": ["exp"]},
        {"crit": ["https://evil.example/extension"], "https://evil.example/extension": True},
        {"crit": ["b64"], "b64": False},
        {"crit": []},
        {"crit": "b64"},
        {"crit": None},
        {"b64": False},
        {"b64": True},
        {"b64": "false"},
    ],
)
def test_extensions_that_change_the_rules_are_refused(
    tokens: AccessTokens, genuine: str, insider: Sign, extra: Json
) -> None:
    token = forge({**header_of(genuine), **extra}, claims_of(genuine), insider)

    assert reason_of(tokens, token) in {"wrong_type", "malformed"}


def test_an_unencoded_payload_is_refused(tokens: AccessTokens, genuine: str, insider: Sign) -> None:
    # RFC 7797: b64 false, the payload as it is between the dots.
    header = encode({**header_of(genuine), "crit": ["b64"], "b64": False})
    message = f"{header}.{json.dumps(claims_of(genuine))}"

    token = f"{message}.{encode(insider(message.encode()))}"

    assert reason_of(tokens, token) in {"wrong_type", "malformed"}


@pytest.mark.parametrize(
    "typ",
    ["JWT", "jwt", "AT+JWT", "at+JWT", "application/at+jwt", "id+jwt", "", None, 1, ["at+jwt"]],
)
def test_another_type_is_refused(
    tokens: AccessTokens, genuine: str, insider: Sign, typ: object
) -> None:
    token = forge({**header_of(genuine), "typ": typ}, claims_of(genuine), insider)

    assert reason_of(tokens, token) in {"wrong_type", "malformed"}


def test_no_type_is_refused(tokens: AccessTokens, genuine: str, insider: Sign) -> None:
    header = {name: value for name, value in header_of(genuine).items() if name != "typ"}

    assert reason_of(tokens, forge(header, claims_of(genuine), insider)) == "wrong_type"


@pytest.mark.parametrize(
    "header", [b"", b"null", b"1", b'"text"', b"[]", b"{", b"\xff\xfe", b"[" * 2000, b'{"a":' * 400]
)
def test_a_header_that_is_no_object_is_refused(
    tokens: AccessTokens, genuine: str, header: bytes
) -> None:
    assert reason_of(tokens, forge(header, claims_of(genuine), unsigned)) == "malformed"


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "...", "a.b", "a.b.c.d", "é.é.é", "\x00.\x00.\x00", "\ud800", " ", "e30.e30."],
)
def test_what_is_no_token_at_all_is_refused(tokens: AccessTokens, text: str) -> None:
    assert reason_of(tokens, text) in {"malformed", "wrong_type"}


def test_a_token_far_too_long_is_not_even_parsed(
    tokens: AccessTokens, genuine: str, insider: Sign
) -> None:
    claims = {**claims_of(genuine), "padding": "x" * 4096}

    assert reason_of(tokens, forge(header_of(genuine), claims, insider)) == "too_long"


def test_a_token_changed_in_any_one_character_is_refused(
    tokens: AccessTokens, genuine: str
) -> None:
    for changed in each_change(genuine):
        assert reason_of(tokens, changed) in {
            "bad_signature",
            "malformed",
            "unknown_key",
            "wrong_type",
        }


def test_the_bits_of_the_last_character_that_carry_nothing_must_be_zero(
    tokens: AccessTokens, genuine: str
) -> None:
    # 64 bytes are 85 characters and a third: sixteen last characters decode to the same signature.
    for changed in each_change(genuine, per_place=63, start=len(genuine) - 1):
        assert reason_of(tokens, changed) in {"bad_signature", "malformed"}


def test_a_token_cut_or_lengthened_is_refused(tokens: AccessTokens, genuine: str) -> None:
    cuts = [genuine[:length] for length in range(len(genuine))]
    tails = [genuine[start:] for start in range(1, len(genuine), 9)]
    ends = ["=", "==", "===", "A", "AA", "AAAA", ".", ".A", "\n", "\x00", "%00", "é"]
    longer = [genuine + end for end in ends] + [" " + genuine, "=" + genuine, genuine + genuine]

    for changed in cuts + tails + longer:
        assert reason_of(tokens, changed) in {
            "bad_signature",
            "malformed",
            "unknown_key",
            "wrong_type",
        }


def test_there_is_one_spelling_of_a_token(tokens: AccessTokens, genuine: str) -> None:
    header, claims, signature = genuine.split(".")
    spellings = [
        f"{header}.{claims}.{signature}==",
        f"{header}={claims}.{signature}",
        f"{header}.{claims}.{signature[:40]}\n{signature[40:]}",
        f"{header}.{claims}.{signature[:40]}*{signature[40:]}",
        f"{header}.{claims}.{signature.replace('-', '+').replace('_', '/')}+",
        f"{header}==.{claims}.{signature}",
        f"{header}.{claims}==.{signature}",
    ]
    for spelling in spellings:
        assert reason_of(tokens, spelling) in {"malformed", "bad_signature"}
