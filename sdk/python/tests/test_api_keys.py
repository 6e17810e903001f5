"""API keys that are shown to a service are exchanged for tokens, once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

import pytest
from tests.feed import Feed
from tests.issuer import AUDIENCE, SESSION, Answer, Issuer, as_json
from tests.test_feed_followed import CLIENT, streaming
from tests.waiting import wait_until

from keyfob_client import InvalidToken, Unavailable, Verifier
from keyfob_client.api_keys import is_api_key, with_checksum


def api_key(letter: str = "a") -> str:
    return with_checksum("kfk_" + letter * 43)


class Exchange:
    """The token endpoint of an issuer that knows one key."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.asked: list[dict[str, list[str]]] = []
        self.refuses: tuple[int, str] | None = None
        self.sub_gen = 0
        self._first = issuer.routes.get("/auth/oauth2/token")
        issuer.routes["/auth/oauth2/token"] = self._answer

    def _answer(self, request: BaseHTTPRequestHandler) -> Answer:
        form = parse_qs(request.rfile.read(int(request.headers["Content-Length"])).decode())
        if form["grant_type"] == ["client_credentials"]:
            return as_json({"access_token": "t", "token_type": "Bearer", "expires_in": 300})
        self.asked.append(form)
        if self.refuses:
            return as_json({"error": self.refuses[1]}, self.refuses[0])
        token = self.issuer.token(auth_time=None, amr=None, acr=None, sub_gen=self.sub_gen)
        return as_json({"access_token": token, "token_type": "Bearer", "expires_in": 300})


@pytest.fixture
def exchange(issuer: Issuer, feed: Feed) -> Exchange:
    return Exchange(issuer)


@pytest.fixture
def verifier(make_verifier: Callable[..., Verifier], exchange: Exchange) -> Verifier:
    return make_verifier(client=CLIENT, follow_revocations=False)


def test_a_key_is_exchanged_once(verifier: Verifier, exchange: Exchange) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(verifier.verify, [api_key()] * 40))

    assert {token.session_id for token in found} == {SESSION}
    assert found[0].auth_time is None
    assert exchange.asked == [
        {
            "grant_type": ["urn:ietf:params:oauth:grant-type:token-exchange"],
            "subject_token": [api_key()],
            "subject_token_type": ["urn:keyfob:token-type:api-key"],
            "resource": [AUDIENCE],
        }
    ]


def test_a_mistyped_key_is_refused_without_asking(verifier: Verifier, exchange: Exchange) -> None:
    key = api_key()
    wrong = (key[:-1] + "_", "kfk_" + "b" * 49, key[:-1], key + "a", "kfs_" + key[4:], key + "\n")
    for mistyped in wrong:
        assert not is_api_key(mistyped)
        with pytest.raises(InvalidToken, match="malformed"):
            verifier.verify(mistyped)
    assert exchange.asked == []


def test_a_refusal_is_remembered_briefly(verifier: Verifier, exchange: Exchange) -> None:
    exchange.refuses = (400, "invalid_request")
    for _ in range(5):
        with pytest.raises(InvalidToken, match="api_key_refused"):
            verifier.verify(api_key())
    assert len(exchange.asked) == 1


@pytest.mark.parametrize("refuses", [(401, "invalid_client"), (429, "slow_down"), (503, "")])
def test_a_fault_of_ours_or_the_issuer_s_is_not_the_key_s(
    verifier: Verifier, exchange: Exchange, refuses: tuple[int, str]
) -> None:
    exchange.refuses = refuses
    with pytest.raises(Unavailable):
        verifier.verify(api_key())
    exchange.refuses = None

    assert verifier.verify(api_key())
    assert verifier.metrics.events["api_key_not_exchanged"] == 1


def test_a_key_whose_token_is_for_another_service_asks_once(
    make_verifier: Callable[..., Verifier], exchange: Exchange
) -> None:
    other = make_verifier(
        audience="bills", resource=AUDIENCE, client=CLIENT, follow_revocations=False
    )
    for expected in ("wrong_audience", "api_key_refused", "api_key_refused"):
        with pytest.raises(InvalidToken, match=expected):
            other.verify(api_key())
    assert len(exchange.asked) == 1


def test_without_a_client_keys_are_refused(
    make_verifier: Callable[..., Verifier], exchange: Exchange
) -> None:
    with pytest.raises(InvalidToken, match="malformed"):
        make_verifier().verify(api_key())
    assert exchange.asked == []


def test_a_key_whose_token_was_revoked_is_exchanged_anew(
    make_verifier: Callable[..., Verifier], exchange: Exchange, feed: Feed
) -> None:
    verifier = streaming(make_verifier(client=CLIENT), api_key())
    exchange.sub_gen = 1  # the user's roles have changed, the key is good still
    feed.revoke(sub="0199c0de-0000-7000-8000-00000000ada0", sub_gen=0)
    wait_until(lambda: verifier.metrics.revocations == 1)

    assert verifier.verify(api_key()).claims["sub_gen"] == 1

    exchange.refuses = (400, "invalid_request")
    feed.revoke(sid=SESSION, gen=2**31 - 1)
    wait_until(lambda: verifier.metrics.revocations == 2)
    with pytest.raises(InvalidToken):
        verifier.verify(api_key())
