"""What an attacker shows as `id_token_hint`: each trap of JOSE, for each algorithm."""

import json
from itertools import product
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.fixtures.hostile import (
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
from tests.tokens.keys import CLAIMS, id_token, id_token_key

from keyfob.core.encoding import to_base64url
from keyfob.tokens import algorithms
from keyfob.tokens.access import AccessTokens
from keyfob.tokens.errors import TokenRejected
from keyfob.tokens.id_tokens import ID_TOKEN_ALGORITHMS, IdTokens
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.models import SigningKey

pytestmark = pytest.mark.parametrize("algorithm", ID_TOKEN_ALGORITHMS)


def reason_of(tokens: IdTokens, token: str) -> str:
    with pytest.raises(TokenRejected) as refusal:
        tokens.read_hint(token)
    return refusal.value.reason


def insider(token: str, algorithm: str, **header: Any) -> str:
    """Sign with the real key, so that only the header is wrong."""
    key = id_token_key(algorithm)
    changed = {**header_of(token), **header}
    changed = {name: value for name, value in changed.items() if value is not None}
    return forge(changed, claims_of(token), lambda message: algorithms.sign(key, message))


async def test_a_hint_built_by_hand_is_read_as_a_genuine_one(
    id_tokens: IdTokens, algorithm: str
) -> None:
    genuine = await id_token(id_tokens, algorithm)

    assert id_tokens.read_hint(insider(genuine, algorithm)) == id_tokens.read_hint(genuine)


async def test_alg_none_in_any_case_is_refused(id_tokens: IdTokens, algorithm: str) -> None:
    genuine = await id_token(id_tokens, algorithm)
    for alg in ["".join(case) for case in product("nN", "oO", "nN", "eE")] + [""]:
        header = {**header_of(genuine), "alg": alg}
        assert reason_of(id_tokens, forge(header, claims_of(genuine), unsigned)) == "unknown_key"
        assert reason_of(id_tokens, insider(genuine, algorithm, alg=alg)) == "unknown_key"


async def test_the_public_key_is_no_secret_to_sign_with(
    id_tokens: IdTokens, algorithm: str
) -> None:
    genuine = await id_token(id_tokens, algorithm)
    key = id_token_key(algorithm)
    info = PublicFormat.SubjectPublicKeyInfo
    secrets = [
        key.public_key.public_bytes(Encoding.PEM, info),
        key.public_key.public_bytes(Encoding.DER, info),
        json.dumps(key.public_jwk).encode(),
        key.kid.encode(),
        b"",
    ]
    for secret, alg in product(secrets, ("HS256", algorithm)):
        forged = forge({**header_of(genuine), "alg": alg}, claims_of(genuine), hs256(secret))
        assert reason_of(id_tokens, forged) in {"unknown_key", "bad_signature"}


async def test_a_key_in_the_header_is_not_listened_to(id_tokens: IdTokens, algorithm: str) -> None:
    genuine = await id_token(id_tokens, algorithm)
    private = generate_private_key(65537, 2048) if algorithm == "RS256" else None
    own = private or algorithms.generate(algorithm)
    jwk = algorithms.to_jwk(algorithm, "id " + algorithm, own.public_key())
    real = id_token_key(algorithm)
    theirs = SigningKey(
        1, real.kid, algorithm, jwk, real.created_at, real.signs_from, None, own.public_key(), own
    )
    for kid, extra in product(
        (real.kid, "theirs", None),
        ({"jwk": jwk}, {"jku": "https://evil.example/jwks"}, {"x5u": "https://evil.example/x"}, {}),
    ):
        header = {**header_of(genuine), "kid": kid, **extra}
        forged = forge(header, claims_of(genuine), lambda data: algorithms.sign(theirs, data))
        assert reason_of(id_tokens, forged) in {"unknown_key", "bad_signature"}


async def test_extensions_that_change_the_rules_are_refused(
    id_tokens: IdTokens, algorithm: str
) -> None:
    genuine = await id_token(id_tokens, algorithm)

    for extension in ({"crit": ["exp"]}, {"crit": []}, {"b64": False}, {"b64": True}):
        assert reason_of(id_tokens, insider(genuine, algorithm, **extension)) == "wrong_type"


async def test_another_type_is_refused(id_tokens: IdTokens, algorithm: str) -> None:
    genuine = await id_token(id_tokens, algorithm)

    for typ in ("at+jwt", "logout+jwt", "jwt", "application/at+jwt", "dpop+jwt", "", 1, None):
        assert reason_of(id_tokens, insider(genuine, algorithm, typ=typ)) == "wrong_type"


async def test_an_access_token_is_no_hint_though_its_key_is_known(
    id_tokens: IdTokens,
    keyring: Keyring,
    tokens: AccessTokens,
    make_tokens: MakeTokens,
    algorithm: str,
) -> None:
    assert reason_of(id_tokens, tokens.issue(CLAIMS)[0]) == "wrong_type"

    # Nor the other way round, were the same key in both places.
    keyring.hold([id_token_key(algorithm)])
    genuine = await id_token(id_tokens, algorithm)
    with pytest.raises(TokenRejected, match="wrong_type"):
        make_tokens(keyring).read(genuine)
    assert reason_of(id_tokens, make_tokens(keyring).issue(CLAIMS)[0]) == "wrong_type"


async def test_a_hint_of_another_issuer_or_without_its_claims_is_refused(
    id_tokens: IdTokens, algorithm: str
) -> None:
    genuine = await id_token(id_tokens, algorithm)
    key, header, claims = id_token_key(algorithm), header_of(genuine), claims_of(genuine)

    def reason_with(**changed: Any) -> str:
        told = {name: value for name, value in {**claims, **changed}.items() if value is not None}
        return reason_of(
            id_tokens, forge(header, told, lambda message: algorithms.sign(key, message))
        )

    assert reason_with(iss="https://evil.example/auth") == "wrong_audience"
    assert reason_with(iss="https://id.example/auth/") == "wrong_audience"
    for name in ("iss", "aud", "sub", "iat", "exp"):
        assert reason_with(**{name: None}) == "wrong_claims"
    for aud in (["an app"], ["an app", "another"], 1, {}):
        assert reason_with(aud=aud) == "wrong_claims"
    for sub in ("", "x", 1, "1' OR '1'='1"):
        assert reason_with(sub=sub) == "wrong_claims"
    for exp in ("1", True, 1.5, None):
        assert reason_with(exp=exp) == "wrong_claims"
    assert reason_with(sid=1) == "wrong_claims"
    assert reason_with(iat=claims["iat"] + 60) == "not_yet_valid"
    assert reason_with(padding="x" * 8192) == "too_long"


async def test_a_hint_changed_in_any_one_character_is_refused(
    id_tokens: IdTokens, algorithm: str
) -> None:
    for changed in each_change(await id_token(id_tokens, algorithm)):
        reason_of(id_tokens, changed)


async def test_a_hint_cut_or_lengthened_is_refused(id_tokens: IdTokens, algorithm: str) -> None:
    genuine = await id_token(id_tokens, algorithm)
    cuts = [genuine[:length] for length in range(len(genuine))]
    tails = [genuine[start:] for start in range(1, len(genuine), 9)]
    ends = ["=", "==", "A", "AAAA", ".", ".A", "\n", "\x00", "%00", "é"]

    for changed in [*cuts, *tails, *(genuine + end for end in ends), " " + genuine]:
        reason_of(id_tokens, changed)


async def test_what_is_no_json_is_refused(id_tokens: IdTokens, algorithm: str) -> None:
    _, claims, signature = (await id_token(id_tokens, algorithm)).split(".")
    for header in (b"", b"{", b"[]", b"null", b'"x"', b"[" * 3000, b"\xff", decode(claims)):
        assert reason_of(id_tokens, f"{encode(header)}.{claims}.{signature}") in {
            "malformed",
            "wrong_type",
            "too_long",
        }
    key = id_token_key(algorithm)
    for payload in (b"[]", b"null", b"{", b'"x"'):
        signed = f"{key.header('JWT')}.{encode(payload)}"
        mac = to_base64url(algorithms.sign(key, signed.encode())).decode("ascii")
        assert reason_of(id_tokens, f"{signed}.{mac}") in {"malformed", "wrong_claims"}
