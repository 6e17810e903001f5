"""A token has one kind: another type, another audience or a missing claim is refused."""

import pytest
from tests.fixtures.clock import START, MovableClock
from tests.fixtures.hostile import claims_of, header_of
from tests.tokens.conftest import MakeKeyring
from tests.tokens.keys import reason_of

from keyfob.tokens.access import AccessTokens
from keyfob.tokens.errors import TokenRejected
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.models import TokenKind
from keyfob.tokens.signing import SignedTokens

ISSUER = "https://id.example/auth"
NOW = int(START.timestamp())
# RFC 8417 and OpenID Connect Back-Channel Logout 1.0 section 2.4.
LOGOUT = TokenKind("logout+jwt", "an app", longest=120, required=frozenset({"events"}))


def of_kind(keyring: Keyring, clock: MovableClock, kind: TokenKind = LOGOUT) -> SignedTokens:
    return SignedTokens(keyring, clock, issuer=ISSUER, kind=kind)


def test_a_token_says_its_kind_and_is_believed_as_it(keyring: Keyring, clock: MovableClock) -> None:
    logout = of_kind(keyring, clock)

    token = logout.sign({"events": {}}, lifetime=60)

    assert header_of(token) == {"alg": "EdDSA", "kid": "a kid", "typ": "logout+jwt"}
    claims = claims_of(token)
    assert claims.pop("jti")
    assert claims == {
        "iss": ISSUER,
        "aud": "an app",
        "iat": NOW,
        "exp": NOW + 60,
        "events": {},
    }
    assert logout.verify(token).expires_at == NOW + 60


def test_no_token_of_another_kind_is_an_access_token(
    keyring: Keyring, clock: MovableClock, tokens: AccessTokens, genuine: str
) -> None:
    told = claims_of(genuine)
    as_access = TokenKind("at+jwt", "keyfob", longest=300, required=frozenset())
    for kind, reason in (
        (as_access._replace(typ="logout+jwt"), "wrong_type"),
        (as_access._replace(typ="JWT"), "wrong_type"),
        (as_access._replace(audience="an app"), "wrong_audience"),
    ):
        other = of_kind(keyring, clock, kind).sign({**told, "aud": kind.audience}, lifetime=60)
        assert reason_of(tokens, other) == reason

    assert tokens.verify(of_kind(keyring, clock, as_access).sign(told, lifetime=60))


def test_no_access_token_is_of_another_kind(
    keyring: Keyring, clock: MovableClock, genuine: str
) -> None:
    with pytest.raises(TokenRejected, match="wrong_type"):
        of_kind(keyring, clock).verify(genuine)


def test_a_token_has_every_claim_of_its_kind(keyring: Keyring, clock: MovableClock) -> None:
    token = of_kind(keyring, clock).sign({"events": {}}, lifetime=60)
    with_more = LOGOUT._replace(required=frozenset({"events", "sid"}))

    with pytest.raises(TokenRejected, match="wrong_claims"):
        of_kind(keyring, clock, with_more).verify(token)


def test_no_token_lives_longer_than_its_kind(keyring: Keyring, clock: MovableClock) -> None:
    token = of_kind(keyring, clock).sign({"events": {}}, lifetime=3600)

    assert of_kind(keyring, clock).verify(token).expires_at == NOW + 120


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_a_token_is_signed_by_the_algorithm_of_its_key(
    make_keyring: MakeKeyring, clock: MovableClock, algorithm: str
) -> None:
    keyring = make_keyring(algorithm)
    await keyring.load()

    token = of_kind(keyring, clock).sign({"events": {}}, lifetime=60)

    assert header_of(token)["alg"] == algorithm
    assert of_kind(keyring, clock).verify(token).claims["events"] == {}
