"""Access tokens that were never issued: each is refused, for a reason that the log may tell."""

import json
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.fixtures.clock import START, MovableClock
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
from tests.tokens.conftest import MakeTokens
from tests.tokens.test_vectors import CLAIMS

from keyfob.core.database import Database
from keyfob.core.encryption import Box, SecretKeyring
from keyfob.tokens import algorithms
from keyfob.tokens.errors import TokenRejected
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.models import SigningKey
from keyfob.tokens.signing import AccessTokens

NOW = int(START.timestamp())
HUGE = 10**400


@pytest.fixture
def keyring(clock: MovableClock) -> Keyring:
    """Hold one key and no database: to ask for one would be an error of another kind."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key()
    ring = Keyring(
        Database("postgresql://nobody@nowhere.invalid/none"),
        Box(SecretKeyring(["unused"]).derive("signing keys")),
        clock,
        algorithm="EdDSA",
        token_ttl=timedelta(seconds=300),
        rotate_after=timedelta(days=90),
        publish_ahead=timedelta(hours=1),
    )
    jwk = algorithms.to_jwk("EdDSA", "a kid", public)
    ring.hold([SigningKey(1, "a kid", "EdDSA", jwk, START, START, None, public, private)])
    return ring


@pytest.fixture
def tokens(keyring: Keyring, make_tokens: MakeTokens) -> AccessTokens:
    return make_tokens(keyring)


@pytest.fixture
def genuine(tokens: AccessTokens) -> str:
    return tokens.issue(CLAIMS)[0]


@pytest.fixture
def insider(keyring: Keyring) -> Sign:
    """Sign with the real key: what is wrong is the content alone."""
    key = keyring.active().private_key
    assert isinstance(key, Ed25519PrivateKey)
    return key.sign


def reason_of(tokens: AccessTokens, token: str) -> str:
    """Return why a token is refused."""
    with pytest.raises(TokenRejected) as refusal:
        tokens.verify(token)
    return refusal.value.reason


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


WRONG: dict[str, list[Any]] = {
    "iss": ["https://evil.example", "https://id.example/auth/", "HTTPS://id.example/auth", "", 1],
    "aud": ["other", "", "KEYFOB", ["keyfob"], ["keyfob", "other"], {"keyfob": 1}],
    "exp": [NOW, NOW - 1, 0, -1, -HUGE],
    "iat": [NOW + 6, NOW + 3600, HUGE],
    "nbf": [NOW + 6, NOW + 3600, HUGE],
    "gen": [],
    "sub_gen": [],
    "auth_time": [HUGE, -HUGE, 10**15],
    "sub": ["", "root", "00000000-0000-0000-0000-00000000000", 1, [], {}],
    "sid": ["", "root", "1' OR '1'='1", 1, [], {}],
    "role": ["", "root", "ADMIN", 1, [], {}],
    "amr": [1],
}
NO_DATES = [True, False, float(NOW + 60), 1e308, str(NOW + 60), "", [NOW], {"n": NOW}]


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG.items() for value in values]
    + [(n, v) for n in ("exp", "iat", "nbf", "gen", "sub_gen", "auth_time") for v in NO_DATES]
    + [(name, None) for name in WRONG],
    ids=lambda value: repr(value)[:20],
)
def test_a_claim_that_does_not_fit_is_refused(
    tokens: AccessTokens, genuine: str, insider: Sign, name: str, value: object
) -> None:
    token = forge(header_of(genuine), {**claims_of(genuine), name: value}, insider)

    reason = reason_of(tokens, token)

    assert reason in {"wrong_claims", "wrong_audience", "expired", "not_yet_valid"}


def test_a_token_of_the_future_is_refused_whatever_it_says_about_its_beginning(
    tokens: AccessTokens, genuine: str, insider: Sign
) -> None:
    claims = {**claims_of(genuine), "iat": NOW + 60, "nbf": NOW}

    assert reason_of(tokens, forge(header_of(genuine), claims, insider)) == "not_yet_valid"


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "iat", "sub", "sid", "gen", "role", "amr"])
def test_a_missing_claim_is_refused(
    tokens: AccessTokens, genuine: str, insider: Sign, name: str
) -> None:
    claims = {key: value for key, value in claims_of(genuine).items() if key != name}

    assert reason_of(tokens, forge(header_of(genuine), claims, insider)) == "wrong_claims"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1" * 3000])
def test_a_number_that_is_none_is_refused(
    tokens: AccessTokens, genuine: str, insider: Sign, number: str
) -> None:
    claims = json.dumps({**claims_of(genuine), "auth_time": "HERE"}).replace('"HERE"', number)

    token = forge(header_of(genuine), claims.encode(), insider)

    assert reason_of(tokens, token) in {"wrong_claims", "too_long", "malformed"}


@pytest.mark.parametrize(
    "payload", [b"", b"null", b"1", b'"text"', b"[]", b"{", b"\xff", b"[" * 2000]
)
def test_a_payload_that_is_no_object_is_refused(
    tokens: AccessTokens, genuine: str, insider: Sign, payload: bytes
) -> None:
    reason = reason_of(tokens, forge(header_of(genuine), payload, insider))

    assert reason in {"wrong_claims", "malformed"}


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


def test_a_token_is_believed_until_its_last_second(
    tokens: AccessTokens, genuine: str, clock: MovableClock
) -> None:
    clock.advance(299)
    assert tokens.verify(genuine).expires_at == NOW + 300

    clock.advance(1)
    assert reason_of(tokens, genuine) == "expired"


def test_a_token_of_an_instance_whose_clock_is_a_little_ahead_is_believed(
    tokens: AccessTokens, genuine: str, clock: MovableClock
) -> None:
    clock.advance(-5)
    assert tokens.verify(genuine).claims == CLAIMS

    clock.advance(-1)
    assert reason_of(tokens, genuine) == "not_yet_valid"


def test_no_token_lives_longer_than_revocations_are_kept(
    tokens: AccessTokens, genuine: str, insider: Sign, clock: MovableClock
) -> None:
    # As it is after KEYFOB_ACCESS_TOKEN_TTL was lowered: a revocation would be forgotten before.
    long_lived = forge(header_of(genuine), {**claims_of(genuine), "exp": NOW + 86400}, insider)
    assert tokens.verify(long_lived).expires_at == NOW + 300

    clock.advance(300)
    assert reason_of(tokens, long_lived) == "expired"
