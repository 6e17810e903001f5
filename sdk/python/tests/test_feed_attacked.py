"""Whoever sits between service and issuer hides no revocation for longer than by cutting."""

import json
import time
from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest
from tests.feed import Feed
from tests.issuer import SESSION, Issuer, Key
from tests.test_feed_followed import CLIENT, is_refused, streaming
from tests.waiting import wait_until

from keyfob_client import FeedState, Metrics, Verifier
from keyfob_client.errors import InvalidToken, Unavailable
from keyfob_client.keys import read_key_set
from keyfob_client.revocations.document import read_document, rules_of_feed
from keyfob_client.revocations.events import Event, EventReader
from keyfob_client.revocations.state import Known

Make = Callable[..., Verifier]


@pytest.mark.parametrize(
    "differs",
    [
        {"iss": "https://evil.example.com"},
        {"aud": "https://evil.example.com/revocations"},
        {"exp": 1000},
        {"exp": None},
        {"iat": 9_999_999_999},
        {"position": None},
        {"position": ""},
        {"position": "é"},
        {"position": "p" * 1025},
        {"entries": {}},
        {"more": "no"},
        {"after": None},
        {"complete": True},
    ],
    ids=str,
)
def test_a_document_that_breaks_a_rule_is_no_contact(
    issuer: Issuer, feed: Feed, differs: dict[str, Any]
) -> None:
    keys = read_key_set({"keys": [issuer.key.jwk()]})
    rules = rules_of_feed(issuer.url, feed.url, leeway=10)
    assert read_document(feed.sign(after="e1-0"), keys, rules, time.time())

    with pytest.raises(InvalidToken):
        read_document(feed.sign(**{"after": "e1-0", **differs}), keys, rules, time.time())


def test_documents_and_tokens_are_never_mistaken(issuer: Issuer, feed: Feed) -> None:
    keys = read_key_set({"keys": [issuer.key.jwk()]})
    rules = rules_of_feed(issuer.url, feed.url, leeway=10)
    document = feed.sign(after="e1-0")
    read_document(document, keys, rules, time.time())
    claims = feed.claims(after="e1-0")

    with pytest.raises(InvalidToken, match="wrong_type"):
        read_document(issuer.key.sign(claims), keys, rules, time.time())
    verifier = Verifier(issuer.url, audience=feed.url, required_claims=())
    with pytest.raises(InvalidToken, match="wrong_type"):
        verifier.verify(document)
    verifier.close()


def test_a_forged_or_truncated_event_ends_the_stream_and_is_no_contact(
    issuer: Issuer, feed: Feed, make_verifier: Make
) -> None:
    token = issuer.token()
    verifier = streaming(make_verifier(client=CLIENT), token)
    forged = Key("first").sign(feed.claims(after=feed.position), typ="revocations+jwt")
    before, streams = verifier.metrics.feed_contact_at, len(feed.resumed)

    for bad in (forged, feed.sign(after=feed.position)[:-5], "", "{}"):
        feed.say("heartbeat", bad)
        if bad:  # an event without data is none
            wait_until(lambda: verifier.metrics.events["feed_refused"] >= 1)
            wait_until(lambda most=streams: len(feed.resumed) > most)
            streams = len(feed.resumed)
    wait_until(lambda: verifier.metrics.feed is FeedState.STREAMING)
    feed.revoke(sid=SESSION, gen=1)

    wait_until(lambda: is_refused(verifier, token))
    assert before is not None


def test_an_answer_that_is_repeated_is_no_contact(
    issuer: Issuer, feed: Feed, make_verifier: Make
) -> None:
    feed.answers_streams = False
    verifier, token = make_verifier(client=CLIENT), issuer.token()
    verifier.verify(token)
    repeated = feed.sign(after=feed.position, iat=int(time.time()) - 9)
    wait_until(lambda: len(feed.polls) > 2)
    before = verifier.metrics.feed_contact_at
    feed.entries.append(feed.entry(sid=SESSION, gen=1))
    feed.instead = [repeated] * 2

    wait_until(lambda: not feed.instead)
    wait_until(lambda: is_refused(verifier, token))
    assert verifier.metrics.events["feed_not_read"] >= 1
    assert verifier.metrics.feed_contact_at != before


def test_a_missing_event_is_noticed_by_the_chain(
    issuer: Issuer, feed: Feed, make_verifier: Make
) -> None:
    token, other = issuer.token(), issuer.token(sid="other")
    verifier = streaming(make_verifier(client=CLIENT, quiet_for=600.0), token)

    feed.entries.append(feed.entry(sid=SESSION, gen=1))  # held back
    feed.revoke(sid="other", gen=1)

    wait_until(lambda: is_refused(verifier, other))
    wait_until(lambda: is_refused(verifier, token))


def document(feed: Feed, issuer: Issuer, **differs: Any) -> Any:
    keys = read_key_set({"keys": [issuer.key.jwk()]})
    rules = rules_of_feed(issuer.url, feed.url, leeway=10)
    return read_document(feed.sign(**differs), keys, rules, time.time())


def test_positions_move_along_the_chain_and_never_back(issuer: Issuer, feed: Feed) -> None:
    now = int(time.time())
    known = Known(time.time, leeway=0, fail_open_for=60)
    with pytest.raises(Unavailable):
        known.check()
    entry = [feed.entry(sid="one", gen=1)]

    first = document(feed, issuer, complete=True, position="p1", more=True, entries=entry)
    assert known.take(first)
    with pytest.raises(Unavailable):  # it is not whole
        known.check()
    assert known.kills((("one", 1),))
    assert known.take(document(feed, issuer, after="p1", position="p2"))
    known.check()

    stray = document(feed, issuer, after="p7", position="p8", entries=[feed.entry(sid="x", gen=3)])
    assert not known.take(stray)
    assert known.kills((("x", 3),))  # what it revokes counts all the same
    assert not known.take(document(feed, issuer, after="p2", position="p1", iat=now - 5))
    early = document(feed, issuer, complete=True, position="p0", iat=now - 5)
    assert not known.take(early)
    assert known.kills((("one", 1),))
    assert known.position == "p2"


def test_contact_counts_from_when_the_issuer_looked(issuer: Issuer, feed: Feed) -> None:
    known = Known(time.time, leeway=5, fail_open_for=10)

    late = document(feed, issuer, complete=True, iat=int(time.time()) - 20)

    assert known.take(late)
    assert known.age > 13
    assert known.is_lost


def test_revocations_are_dropped_once_they_concern_nothing(issuer: Issuer, feed: Feed) -> None:
    ahead = 0
    known = Known(lambda: time.time() + ahead, leeway=0, fail_open_for=60)
    entries = [feed.entry(sid="one", gen=1), {"sid": "two", "gen": 1, "exp": 2**40}]
    known.take(document(feed, issuer, complete=True, entries=entries))

    ahead = 1000
    known.forget_old()

    assert len(known) == 1
    assert not known.kills((("one", 1),))
    assert known.kills((("two", 1),))


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_events_are_read_in_whatever_parts_they_come(size: int) -> None:
    stream = (
        b": a comment\n\nevent: one\nid: 5\nretry: 9\ndata: a\ndata:b\n\n"
        b"event:two\r\ndata: c\r\n\r\ndata\n\nevent: nothing\n\ndata: \xc3\xa9: x\r\r"
        b"data: last\n\n"
    )
    reader, found = EventReader(), []
    for start in range(0, len(stream), size):
        found += list(reader.read(stream[start : start + size]))

    assert found == [
        Event("one", "a\nb"),
        Event("two", "c"),
        Event("message", ""),
        Event("message", "é: x"),
        Event("message", "last"),
    ]


def test_endless_events_are_cut() -> None:
    for part in (b"x" * 100, b"data: " + b"x" * 90 + b"\n", b": comment\n" * 5):
        reader = EventReader(longest=200)
        with pytest.raises(ValueError, match="long"):
            list(chain.from_iterable(map(reader.read, [part] * 50)))
    with pytest.raises(ValueError, match="utf-8"):
        list(EventReader().read(b"data: \xff\n\n"))


def test_a_large_document_is_read_in_parts_quickly(issuer: Issuer, feed: Feed) -> None:
    ids = [f"0199c0de-0000-7000-8000-{number:012}" for number in range(5000)]
    entries = [feed.entry(sid=of, gen=2**31 - 1) for of in ids]
    signed = feed.sign(complete=True, entries=entries)
    event = f"event: revocations\ndata: {signed}\n\n".encode()
    reader, found = EventReader(), []
    for start in range(0, len(event), 1400):
        found += list(reader.read(event[start : start + 1400]))

    keys = read_key_set({"keys": [issuer.key.jwk()]})
    rules = rules_of_feed(issuer.url, feed.url, leeway=10)
    assert len(read_document(found[0].data, keys, rules, time.time()).entries) == 5000
    assert json.dumps(Metrics().feed) == '"off"'
