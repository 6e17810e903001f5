"""Revocations reach a service by the feed, whatever happens to the connection."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.feed import Feed
from tests.issuer import ADA, SESSION, Issuer, Key
from tests.waiting import wait_until

from keyfob_client import ClientKey, ClientSecret, FeedState, InvalidToken, Unavailable, Verifier

CLIENT = ClientSecret("orders", "kfs_secret")
Make = Callable[..., Verifier]


@pytest.fixture
def follows(make_verifier: Make, feed: Feed) -> Make:
    """Return verifiers that follow the feed; a dead stream is noticed soon."""

    def make(**options: Any) -> Verifier:
        return make_verifier(**{"client": CLIENT, "quiet_for": 1.0, **options})

    return make


def is_refused(verifier: Verifier, token: str) -> bool:
    return why_refused(verifier, token) == "revoked"


def why_refused(verifier: Verifier, token: str) -> str | None:
    try:
        verifier.verify(token)
    except InvalidToken as refused:
        return refused.reason
    return None


def streaming(verifier: Verifier, token: str) -> Verifier:
    """Return the verifier once the token was believed, and the stream is open."""
    verifier.verify(token)
    wait_until(lambda: verifier.metrics.feed is FeedState.STREAMING)
    return verifier


@pytest.mark.parametrize(
    ("revoked", "differs"),
    [
        ({"sid": SESSION, "gen": 1}, {}),
        ({"sid": SESSION, "gen": 2**31 - 1}, {}),
        ({"sub": ADA, "sub_gen": 0}, {"sub_gen": None}),
        ({"sub": ADA, "sub_gen": 2}, {"sub_gen": 2}),
        ({"client_id": "0199c0de-0", "client_gen": 0}, {"client_id": "0199c0de-0"}),
        ({"jti": "q83vEjRWeJq83vEjRWeJqw"}, {}),
        ({"jti": "a text"}, {"jti": "a text"}),
        ({"jti": "q83vEjRWeJq83vEjRWeJqw"}, {"jti": "b", "rests_on": [[
            "abcdef12-3456-789a-bcde-f1234567 89ab".replace(" ", ""), 0]]}),
        ({"sid": "0199c0de-1", "gen": 4}, {"rests_on": [["0199c0de-1", 4]]}),
    ],
    ids=str,
)  # fmt: skip
def test_each_kind_of_revocation_ends_a_remembered_token(
    issuer: Issuer, feed: Feed, follows: Make, revoked: dict[str, Any], differs: dict[str, Any]
) -> None:
    token = issuer.token(**differs)
    verifier = streaming(follows(), token)

    feed.revoke(**revoked)

    wait_until(lambda: is_refused(verifier, token))


@pytest.mark.parametrize(
    "revoked",
    [
        {"sid": SESSION, "gen": 0},
        {"sub": ADA, "sub_gen": -1},
        {"sid": "another", "gen": 9},
        {"sid": SESSION, "gen": "9"},
        {"odd": SESSION},
    ],
    ids=str,
)
def test_what_concerns_others_ends_nothing(
    issuer: Issuer, feed: Feed, follows: Make, revoked: dict[str, Any]
) -> None:
    token, other = issuer.token(), issuer.token(sid="other")
    verifier = streaming(follows(), token)

    feed.revoke(**revoked)
    feed.revoke(sid="other", gen=1)

    wait_until(lambda: is_refused(verifier, other))
    assert not is_refused(verifier, token)


def test_a_token_that_nothing_could_revoke_is_refused(issuer: Issuer, follows: Make) -> None:
    verifier = follows()
    for differs in ({"sid": None}, {"gen": None}, {"rests_on": [["one"]]}, {"rests_on": [[1, 1]]}):
        with pytest.raises(InvalidToken, match="wrong_claims"):
            verifier.verify(issuer.token(**differs))


def test_what_was_revoked_before_the_start_is_known_from_the_start(
    issuer: Issuer, feed: Feed, follows: Make
) -> None:
    feed.page = 2
    for number in range(7):
        feed.entries.append(feed.entry(sid=f"s{number}", gen=1))
    verifier = follows()

    for number in range(7):
        assert is_refused(verifier, issuer.token(sid=f"s{number}"))
    assert not is_refused(verifier, issuer.token())
    assert feed.polls == [None, "e1-2", "e1-4", "e1-6"]
    wait_until(lambda: verifier.metrics.feed is FeedState.STREAMING)
    assert (verifier.metrics.revocations, feed.resumed) == (7, ["e1-7"])


def test_a_stream_that_is_cut_is_polled_and_opened_again(
    issuer: Issuer, feed: Feed, follows: Make
) -> None:
    token = issuer.token()
    verifier = streaming(follows(), token)
    feed.answers_streams = False
    feed.cut()
    feed.revoke(sid=SESSION, gen=1)

    wait_until(lambda: is_refused(verifier, token))
    assert verifier.metrics.events["feed_polling"] == 1

    feed.answers_streams = True
    wait_until(lambda: verifier.metrics.feed is FeedState.STREAMING)
    assert feed.resumed[-1] == feed.position


def test_a_silent_stream_is_polled(issuer: Issuer, feed: Feed, follows: Make) -> None:
    token = issuer.token()
    verifier = streaming(follows(), token)
    feed.entries.append(feed.entry(sid=SESSION, gen=1))  # the stream does not say so

    wait_until(lambda: is_refused(verifier, token))


def test_heartbeats_prove_that_the_stream_lives(issuer: Issuer, feed: Feed, follows: Make) -> None:
    verifier = streaming(follows(quiet_for=600.0), issuer.token())
    polls, before = len(feed.polls), verifier.metrics.feed_contact_at

    feed.beat()

    wait_until(lambda: verifier.metrics.feed_contact_at != before)
    assert (len(feed.polls), verifier.metrics.feed) == (polls, FeedState.STREAMING)


def test_without_contact_nothing_is_judged_after_a_while(
    issuer: Issuer, feed: Feed, follows: Make, clock: Any
) -> None:
    told: list[str] = []
    verifier, token = follows(hook=lambda event, _: told.append(event)), issuer.token()
    streaming(verifier, token)
    feed.answers_streams = feed.answers_polls = False
    feed.cut()
    wait_until(lambda: verifier.metrics.events["feed_not_read"])

    assert verifier.verify(token)
    clock.ahead = 100
    for text in (token, "rubbish"):
        with pytest.raises(Unavailable) as refused:
            verifier.verify(text)
        assert (refused.value.status, refused.value.reason) == (503, "feed_lost")
    wait_until(lambda: verifier.metrics.feed is FeedState.LOST)

    clock.ahead = 0
    feed.answers_streams = feed.answers_polls = True
    wait_until(lambda: verifier.metrics.feed is FeedState.STREAMING)
    assert verifier.verify(token)
    assert told.count("feed_lost") == 1


def test_before_the_first_contact_nothing_is_judged(
    issuer: Issuer, feed: Feed, follows: Make
) -> None:
    feed.answers_streams = feed.answers_polls = False
    verifier = follows()
    with pytest.raises(Unavailable):
        verifier.verify(issuer.token())

    feed.answers_polls = True

    wait_until(lambda: verifier.metrics.feed is FeedState.POLLING)
    assert verifier.verify(issuer.token())


def test_an_issuer_without_a_feed_is_not_followed_silently(
    issuer: Issuer, feed: Feed, follows: Make
) -> None:
    del issuer.metadata["keyfob_revocations_endpoint"]
    verifier = follows()

    with pytest.raises(Unavailable):
        verifier.verify(issuer.token())
    assert verifier.metrics.events["feed_not_read"] >= 1
    assert follows(follow_revocations=False).verify(issuer.token())


def test_a_new_epoch_replaces_what_was_held_once_it_is_whole(
    issuer: Issuer, feed: Feed, follows: Make
) -> None:
    old, new = issuer.token(), issuer.token(sid="new")
    verifier = streaming(follows(), old)
    feed.revoke(sid=SESSION, gen=1)
    wait_until(lambda: is_refused(verifier, old))

    feed.begin_epoch()
    feed.page = 1
    feed.entries += [feed.entry(sid="some", gen=1), feed.entry(sid="new", gen=1)]
    feed.say("start-over", '{"reason":"epoch"}')

    wait_until(lambda: is_refused(verifier, new))
    wait_until(lambda: not is_refused(verifier, old))
    assert verifier.metrics.revocations == 2


def test_a_server_that_stops_is_found_again(issuer: Issuer, feed: Feed, follows: Make) -> None:
    token = issuer.token()
    verifier = streaming(follows(), token)

    feed.say("closing", '{"reason":"stopping"}')

    wait_until(lambda: len(feed.resumed) == 2)
    feed.revoke(sid=SESSION, gen=1)
    wait_until(lambda: is_refused(verifier, token))


def test_a_compromised_key_is_never_trusted_again(
    issuer: Issuer, feed: Feed, follows: Make
) -> None:
    stolen, old = issuer.key, issuer.token()
    verifier = streaming(follows(refresh_interval=0), old)
    issuer.key = Key("second")
    issuer.keys.append(issuer.key)  # a cache on the way has the stolen one still
    verifier.verify(issuer.token())

    feed.revoke(kid=stolen.kid)

    wait_until(lambda: why_refused(verifier, old) == "unknown_key")
    assert why_refused(verifier, old) == "unknown_key"
    assert verifier.verify(issuer.token(jti="another"))


def test_the_key_may_change_under_the_feed(issuer: Issuer, feed: Feed, follows: Make) -> None:
    verifier = streaming(follows(refresh_interval=0), issuer.token())
    issuer.key = Key("second", "ES256")
    issuer.keys.append(issuer.key)
    token = issuer.token()

    feed.revoke(sid=SESSION, gen=1)

    wait_until(lambda: is_refused(verifier, token))


def test_the_service_s_own_token_is_asked_for_once(
    issuer: Issuer, feed: Feed, follows: Make
) -> None:
    key = Key("mine")
    client = ClientKey("orders", key.private, kid="mine")
    verifier = streaming(follows(client=client), issuer.token())
    feed.cut()
    wait_until(lambda: len(feed.resumed) == 2)

    assert feed.tokens_given == 1
    assert verifier.metrics.feed in {FeedState.STREAMING, FeedState.POLLING}
    assert "kfs_secret" not in repr(CLIENT)
    assert "private" not in repr(client).lower()
