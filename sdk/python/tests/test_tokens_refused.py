"""Which tokens are believed, and which are not (RFC 9068 section 4, RFC 8725)."""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from tests.issuer import AUDIENCE, SESSION, Issuer, Key, encode

from keyfob_client import InsufficientRole, InvalidToken, Verifier
from keyfob_client.reading import read_object


def reason(verifier: Verifier, token: str) -> str:
    with pytest.raises(InvalidToken) as refused:
        verifier.verify(token)
    assert refused.value.status == 401
    return refused.value.reason


def test_what_a_token_says_is_read(issuer: Issuer, verifier: Verifier) -> None:
    token = verifier.verify(issuer.token(scope="orders:read orders:write", roles=["user", "clerk"]))

    assert token.is_user
    assert token.scope == {"orders:read", "orders:write"}
    assert token.roles == {"user", "clerk"}
    assert (token.client_id, token.session_id, token.key_id) == ("keyfob", SESSION, "first")
    assert (token.acr, token.amr, token.audience) == ("aal1", ("pwd",), (AUDIENCE,))
    assert token.auth_time == token.issued_at == token.expires_at - 300
    assert token.claims["role"] == "user"


def test_a_program_speaks_for_itself(issuer: Issuer, verifier: Verifier) -> None:
    token = verifier.verify(issuer.token(sub="reports", client_id="reports", roles=None))

    assert not token.is_user
    assert token.roles == frozenset()


def test_a_program_is_no_person_in_a_token_that_another_got_for_it(
    issuer: Issuer, verifier: Verifier
) -> None:
    """Threat: an exchanged token (RFC 8693) passes where only people may."""
    of_program = {"sub": "reports", "sid": "reports", "client_id": "gateway", "roles": None}
    of_person = {"client_id": "gateway", "act": {"sub": "gateway"}}

    program = verifier.verify(issuer.token(**of_program, act={"sub": "gateway"}))
    person = verifier.verify(issuer.token(**of_person))

    with pytest.raises(InsufficientRole):
        program.require_user()
    person.require_user()


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_each_algorithm_of_keyfob_is_known(
    issuer: Issuer, verifier: Verifier, algorithm: str
) -> None:
    issuer.key = Key("another", algorithm)
    issuer.keys.append(issuer.key)

    assert verifier.verify(issuer.token()).key_id == "another"


@pytest.mark.parametrize(
    ("differs", "expected"),
    [
        ({"iss": "http://127.0.0.1/auth"}, "wrong_issuer"),
        ({"aud": "https://orders.example.com/"}, "wrong_audience"),
        ({"aud": ["https://bills.example.com"]}, "wrong_audience"),
        ({"aud": {"https://orders.example.com": 1}}, "wrong_claims"),
        ({"aud": [AUDIENCE, 1]}, "wrong_claims"),
        ({"exp": None}, "wrong_claims"),
        ({"exp": True}, "wrong_claims"),
        ({"exp": "9999999999"}, "wrong_claims"),
        ({"exp": 1e300}, "wrong_claims"),
        ({"exp": -1}, "wrong_claims"),
        ({"exp": 1000}, "expired"),
        ({"iat": None}, "wrong_claims"),
        ({"iat": 9_999_999_999}, "not_yet_valid"),
        ({"nbf": 9_999_999_999}, "not_yet_valid"),
        ({"nbf": "now"}, "wrong_claims"),
        ({"exp": 9_999_999_999}, "lives_too_long"),
        ({"sub": None}, "wrong_claims"),
        ({"sub": ""}, "wrong_claims"),
        ({"sub": 5}, "wrong_claims"),
        ({"client_id": None}, "wrong_claims"),
        ({"jti": None}, "wrong_claims"),
        ({"scope": ["orders:read"]}, "wrong_claims"),
        ({"roles": "admin"}, "wrong_claims"),
        ({"roles": [{"name": "admin"}]}, "wrong_claims"),
        ({"cnf": {"jkt": "a key"}}, "not_proven"),
    ],
    ids=str,
)
def test_wrong_claims_are_refused(
    issuer: Issuer, verifier: Verifier, differs: dict[str, Any], expected: str
) -> None:
    assert reason(verifier, issuer.token(**differs)) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"typ": "JWT"}, "wrong_type"),
        ({"typ": None}, "wrong_type"),
        ({"typ": "revocations+jwt"}, "wrong_type"),
        ({"crit": ["exp"]}, "unknown_extension"),
        ({"kid": "nobody-s"}, "unknown_key"),
        ({"kid": "../../etc/passwd"}, "unknown_key"),
    ],
    ids=str,
)
def test_wrong_headers_are_refused(
    issuer: Issuer, verifier: Verifier, header: dict[str, Any], expected: str
) -> None:
    assert reason(verifier, issuer.key.sign(issuer.claims(), **header)) == expected


def test_media_types_know_no_case(issuer: Issuer, verifier: Verifier) -> None:
    assert verifier.verify(issuer.key.sign(issuer.claims(), typ="application/AT+JWT"))


def test_keys_in_a_header_have_no_effect(issuer: Issuer, verifier: Verifier) -> None:
    forger = Key("first")
    header = {"jwk": forger.jwk(), "jku": "https://evil.example.com", "x5u": "https://evil.example"}

    assert reason(verifier, forger.sign(issuer.claims(), **header)) == "bad_signature"
    assert issuer.key_fetches == 1


def test_no_algorithm_but_the_key_s_is_believed(issuer: Issuer, verifier: Verifier) -> None:
    signed, _, _ = issuer.token().rpartition(".")
    body = signed.partition(".")[2]
    public = issuer.key.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for algorithm in ("none", "NONE", "HS256", "ES256", "RS256", "", None, 5, ["EdDSA"]):
        header = encode({"alg": algorithm, "typ": "at+jwt", "kid": "first"})
        for signature in (
            b"",
            hmac.digest(public, f"{header}.{body}".encode(), hashlib.sha256),
        ):
            token = f"{header}.{body}.{encode(signature)}"
            assert reason(verifier, token) in {"wrong_algorithm", "malformed"}


def test_a_token_changed_in_any_character_is_refused(issuer: Issuer, verifier: Verifier) -> None:
    token = issuer.token()
    for place, letter in enumerate(token):
        other = "A" if letter != "A" else "B"
        changed = token[:place] + other + token[place + 1 :]
        assert reason(verifier, changed) != "refused"
    for changed in (token[:-1], token + "A", token + "=", token + " ", "x" + token, token + ".e30"):
        reason(verifier, changed)


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "...", "a.b.c", "é.é.é", "\ud800", "kfk_secret", "." * 8000, "a" * 8193],
    ids=["empty", "one", "two", "three", "abc", "accents", "surrogate", "key", "dots", "long"],
)
def test_what_is_no_token_is_refused(verifier: Verifier, token: str) -> None:
    assert reason(verifier, token) in {"malformed", "too_long"}


def test_names_that_stand_twice_are_refused(issuer: Issuer, verifier: Verifier) -> None:
    def signed(header: bytes, claims: bytes) -> str:
        text = f"{encode(header)}.{encode(claims)}"
        return f"{text}.{encode(issuer.key.private.sign(text.encode()))}"

    header = json.dumps({"alg": "EdDSA", "typ": "at+jwt", "kid": "first"}).encode()
    claims = json.dumps(issuer.claims()).encode()
    assert verifier.verify(signed(header, claims))

    detached = header[:-1] + b', "b64": true}'
    assert reason(verifier, signed(detached, claims)) == "unknown_extension"
    twice = claims[:-1] + b', "sub": "eve"}'
    assert reason(verifier, signed(header, twice)) == "malformed"
    assert reason(verifier, signed(header[:-1] + b', "kid": "first"}', claims)) == "malformed"
    infinite = claims[:-1] + b', "more": Infinity}'
    assert reason(verifier, signed(header, infinite)) == "malformed"
    assert reason(verifier, signed(header, b"[]")) == "malformed"


def test_clocks_may_differ_by_seconds(
    issuer: Issuer, make_verifier: Callable[..., Verifier], clock: Any
) -> None:
    verifier, token = make_verifier(leeway=10), issuer.token()
    clock.ahead = -9
    assert verifier.verify(token)
    clock.ahead = 304
    assert verifier.verify(token)
    clock.ahead = 311
    assert reason(verifier, token) == "expired"


def test_a_bound_token_needs_its_proof_each_time(
    issuer: Issuer, make_verifier: Callable[..., Verifier]
) -> None:
    verifier = make_verifier(check_proof=lambda token, shown: shown == token.claims["cnf"]["jkt"])
    token = issuer.token(cnf={"jkt": "a key"})

    assert verifier.verify(token, "a key")
    with pytest.raises(InvalidToken, match="not_proven"):
        verifier.verify(token)
    with pytest.raises(InvalidToken, match="not_proven"):
        verifier.verify(token, "another key")
    assert verifier.verify(token, "a key")


def test_tokens_of_another_issuer_are_judged_by_what_they_have(
    issuer: Issuer, make_verifier: Callable[..., Verifier]
) -> None:
    claims = issuer.claims(jti=None, client_id=None, sid=None, gen=None, sub_gen=None, role=None)
    issuer.metadata_at = "/auth/.well-known/openid-configuration"
    claims |= {"roles": [{"value": "clerk"}]}
    nameless = jwt.encode(claims, issuer.key.private, "EdDSA", {"typ": "at+jwt"})
    verifier = make_verifier(required_claims=["scope"])

    token = verifier.verify(nameless)

    assert (token.client_id, token.token_id, token.roles) == (None, None, {"clerk"})
    with pytest.raises(InvalidToken, match="wrong_claims"):
        make_verifier().verify(nameless)


def test_json_of_any_depth_is_read_or_refused() -> None:
    for data in (b'{"a":' + b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b"\xff", b"1" * 5000):
        with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
            read_object(data)
