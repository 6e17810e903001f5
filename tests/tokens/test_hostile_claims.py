"""Access tokens whose claims are off, or whose time has not come or is over: each is refused."""

import json
from typing import Any

import pytest
from tests.fixtures.clock import START, MovableClock
from tests.fixtures.hostile import (
    Sign,
    claims_of,
    forge,
    header_of,
)
from tests.tokens.keys import CLAIMS, reason_of

from keyfob.tokens.access import AccessTokens

NOW = int(START.timestamp())
HUGE = 10**400
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
