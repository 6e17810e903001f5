"""Keys are found by the issuer's name, kept fresh, and kept while the issuer is away."""

import asyncio
import base64
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.issuer import AUDIENCE, Issuer, Key

from keyfob_client import AsyncVerifier, InvalidToken, Metrics, Unavailable, Verifier
from keyfob_client.fetching import make_client
from keyfob_client.key_source import KeySource
from keyfob_client.keys import KeySet, read_key_set


@pytest.mark.parametrize(
    "place",
    [
        "/.well-known/oauth-authorization-server/auth",
        "/auth/.well-known/oauth-authorization-server",
        "/auth/.well-known/openid-configuration",
    ],
)
def test_metadata_is_found_in_each_of_its_places(
    issuer: Issuer, verifier: Verifier, place: str
) -> None:
    issuer.metadata_at = place

    assert verifier.verify(issuer.token())


@pytest.mark.parametrize(
    "differs",
    [
        {"issuer": "http://127.0.0.1/other"},
        {"jwks_uri": None},
        {"jwks_uri": "http://keys.example.com/jwks.json"},
        {"jwks_uri": "file:///etc/passwd"},
        {"token_endpoint": "http://evil.example.com/token"},
    ],
    ids=str,
)
def test_metadata_of_another_is_not_believed(
    issuer: Issuer, verifier: Verifier, differs: dict[str, Any]
) -> None:
    issuer.metadata |= differs

    with pytest.raises(Unavailable):
        verifier.verify(issuer.token())
    assert issuer.key_fetches == 0


def test_only_addresses_that_nobody_can_answer_for_are_asked() -> None:
    for wrong in ("http://auth.example.com/auth", "auth.example.com", "ftp://localhost/auth", ""):
        with pytest.raises(ValueError, match="https"):
            Verifier(wrong, audience=AUDIENCE)
    with pytest.raises(ValueError, match="audience"):
        Verifier("https://auth.example.com/auth", audience="")
    assert Verifier("http://auth:8000/auth", audience="a", allow_http=True).audience == {"a"}


def test_a_redirect_is_not_followed(issuer: Issuer, verifier: Verifier) -> None:
    issuer.metadata["jwks_uri"] = f"{issuer.root}/moved"
    there = {"Location": f"{issuer.url}/.well-known/jwks.json"}
    issuer.routes["/moved"] = lambda _: (302, there, b"")

    with pytest.raises(Unavailable):
        verifier.verify(issuer.token())
    assert issuer.key_fetches == 0


def test_an_unknown_key_is_fetched_once_in_an_interval(
    issuer: Issuer, make_verifier: Callable[..., Verifier]
) -> None:
    verifier = make_verifier(refresh_interval=0)
    verifier.verify(issuer.token())
    issuer.key = Key("second", "ES256")
    issuer.keys.append(issuer.key)

    assert verifier.verify(issuer.token()).key_id == "second"
    assert issuer.key_fetches == 2

    patient = make_verifier(refresh_interval=3600)
    patient.verify(issuer.token())
    for number in range(20):
        with pytest.raises(InvalidToken, match="unknown_key"):
            patient.verify(Key(f"invented-{number}").sign(issuer.claims()))
    assert issuer.key_fetches == 3


def test_a_herd_of_threads_leads_to_one_fetch(issuer: Issuer, verifier: Verifier) -> None:
    token, all_are_there = issuer.token(), threading.Barrier(16)
    release = threading.Event()
    issuer.before_keys = lambda: release.wait(10)

    def verify(_: int) -> str:
        all_are_there.wait()
        return verifier.verify(token).subject

    with ThreadPoolExecutor(16) as threads:
        found = threads.map(verify, range(16))
        release.set()
        assert len(set(found)) == 1
    assert issuer.key_fetches == 1


async def test_a_herd_of_tasks_leads_to_one_fetch(issuer: Issuer) -> None:
    token = issuer.token()
    async with AsyncVerifier(issuer.url, audience=AUDIENCE) as verifier:
        found = await asyncio.gather(*(verifier.verify(token) for _ in range(100)))

    assert {one.subject for one in found} == {found[0].subject}
    assert issuer.key_fetches == 1


def test_one_verifier_serves_several_event_loops(issuer: Issuer) -> None:
    verifier = AsyncVerifier(issuer.url, audience=AUDIENCE)

    async def verify() -> str:
        return (await verifier.verify(issuer.token())).subject

    assert asyncio.run(verify()) == asyncio.run(verify())
    verifier.close()
    assert asyncio.run(verify())
    verifier.close()


def test_known_keys_outlive_the_issuer(
    issuer: Issuer, make_verifier: Callable[..., Verifier]
) -> None:
    verifier = make_verifier(refresh_interval=0)
    verifier.verify(issuer.token())
    issuer.is_down = True

    assert verifier.verify(issuer.token(jti="another"))
    with pytest.raises(Unavailable) as refused:  # perhaps the issuer has this key meanwhile
        verifier.verify(Key("second").sign(issuer.claims()))
    assert (refused.value.status, refused.value.retry_after) == (503, 5)
    assert verifier.metrics.events["keys_not_fetched"] >= 1


def test_without_any_key_nothing_is_judged(issuer: Issuer, verifier: Verifier) -> None:
    issuer.is_down = True

    with pytest.raises(Unavailable):
        verifier.verify(issuer.token())
    with pytest.raises(Unavailable):
        verifier.verify("rubbish")


async def test_keys_are_fetched_again_before_they_are_too_old(issuer: Issuer) -> None:
    issuer.cache_control, held = "public, max-age=0", asyncio.Queue[KeySet]()
    async with make_client(5) as client:
        source = KeySource(
            client,
            issuer.url,
            allow_http=False,
            interval=0,
            hold=held.put_nowait,
            metrics=Metrics(),
            shortest_age=0.01,
        )
        fresh = asyncio.create_task(source.keep_fresh())
        await held.get()
        issuer.keys.append(Key("second"))

        assert len(await held.get()) == 2
        fresh.cancel()


def test_a_key_that_is_withdrawn_ends_what_is_remembered(
    issuer: Issuer, make_verifier: Callable[..., Verifier]
) -> None:
    verifier, old = make_verifier(refresh_interval=0), issuer.token()
    verifier.verify(old)
    issuer.key = Key("second")
    issuer.keys = [issuer.key]
    verifier.verify(issuer.token())

    with pytest.raises(InvalidToken, match="unknown_key"):
        verifier.verify(old)


def test_a_token_is_verified_once(issuer: Issuer, make_verifier: Callable[..., Verifier]) -> None:
    verifier, tokens = make_verifier(remembered=2), [issuer.token(jti=str(n)) for n in range(3)]
    for _ in range(3):
        verifier.verify(tokens[0])
    assert (verifier.metrics.verified, verifier.metrics.remembered) == (1, 2)

    for token in tokens:
        verifier.verify(token)
    verifier.verify(tokens[0])  # it was dropped: two are remembered
    assert verifier.metrics.verified == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_child_of_a_fork_fetches_by_itself(issuer: Issuer, verifier: Verifier) -> None:
    verifier.verify(issuer.token())
    token = issuer.token(jti="another")

    child = os.fork()
    if child == 0:
        try:
            verifier.verify(token)
            os._exit(0)
        finally:
            os._exit(1)

    assert os.waitpid(child, 0)[1] == 0
    assert issuer.key_fetches == 2


def test_only_keys_for_signatures_are_read() -> None:
    good, short = Key("good").jwk(), base64.urlsafe_b64encode(b"\xff" * 128).decode().rstrip("=")
    useless: list[object] = [
        "a text",
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
        {**good, "kid": "encrypts", "use": "enc"},
        {**good, "kid": "only-signs", "key_ops": ["sign"]},
        {**good, "kid": "private", "d": good["x"]},
        {**good, "kid": "other-alg", "alg": "RS256"},
        {**good, "kid": 5},
        {**good, "kid": "short", "x": "AAAA"},
        {**good, "kid": "odd", "crv": ["Ed25519"]},
        {"kty": "RSA", "n": short, "e": "AQAB", "kid": "weak"},
    ]

    keys = read_key_set({"keys": [*useless, good, {**Key("good").jwk()}]})

    assert len(keys) == 1
    assert keys.find("good", "EdDSA").kid == keys.find("good", "Ed25519").kid == "good"
    for wrong in ({"keys": useless}, {"keys": []}, {"keys": [good] * 101}, [], None, {"keys": {}}):
        with pytest.raises(ValueError, match=r"key|JWK"):
            read_key_set(wrong)


def test_closing_twice_or_before_the_start_is_fine(verifier: Verifier, issuer: Issuer) -> None:
    verifier.close()
    verifier.verify(issuer.token())
    verifier.close()
    verifier.close()
