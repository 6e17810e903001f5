"""Many at once: revocations, threads, and tokens that come and go."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.feed import Feed
from tests.issuer import SESSION, Issuer, Key
from tests.test_feed_followed import CLIENT, is_refused, streaming
from tests.waiting import wait_until

from keyfob_client import InvalidToken, Verifier


def test_ten_thousand_revocations_arrive_while_tokens_are_judged(
    issuer: Issuer, feed: Feed, make_verifier: Callable[..., Verifier]
) -> None:
    token, last = issuer.token(), issuer.token(sid="s9999")
    verifier = streaming(make_verifier(client=CLIENT), token)

    for start in range(0, 10_000, 100):
        before = feed.position
        entries = [feed.entry(sid=f"s{number}", gen=1) for number in range(start, start + 100)]
        feed.entries += entries
        feed.say("revocations", feed.sign(after=before, entries=entries))
        verifier.verify(token)

    wait_until(lambda: is_refused(verifier, last))
    assert verifier.metrics.revocations == 10_000
    feed.revoke(sid=SESSION, gen=1)
    wait_until(lambda: is_refused(verifier, token))


def test_threads_share_one_verifier(issuer: Issuer, make_verifier: Callable[..., Verifier]) -> None:
    verifier = make_verifier(remembered=5, refresh_interval=3600)
    good = [issuer.token(jti=str(number), sub=str(number)) for number in range(20)]
    bad = [Key("invented").sign(issuer.claims(jti=str(number))) for number in range(5)]
    verifier.verify(good[0])

    def judge(token: str) -> str:
        try:
            return verifier.verify(token).subject
        except InvalidToken as refused:
            return refused.reason

    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(judge, (good + bad) * 40))

    assert found == ([str(number) for number in range(20)] + ["unknown_key"] * 5) * 40
    assert issuer.key_fetches == 1


@pytest.mark.parametrize("remembered", [0, 1])
def test_little_memory_is_enough(
    issuer: Issuer, make_verifier: Callable[..., Verifier], remembered: int
) -> None:
    verifier, tokens = make_verifier(remembered=remembered), [issuer.token(), issuer.token(jti="b")]

    for token in tokens * 2:
        assert verifier.verify(token)
    assert verifier.metrics.verified == 4
