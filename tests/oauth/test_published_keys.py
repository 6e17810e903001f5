"""Keys that a client publishes: fetched rarely, remembered for a time, by the guarded client."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from tests.fixtures.assertions import Signer, make_signer, public_jwk
from tests.fixtures.certificates import Certificate, make_certificate
from tests.fixtures.clock import MovableClock
from tests.fixtures.far_end import FarEnd, far_end
from tests.fixtures.programs import Program, make_resource
from tests.fixtures.world import World, eventually

from keyfob.settings import Settings


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("published"))


@pytest.fixture
def settings(settings: Settings, certificate: Certificate) -> Settings:
    listed = {"outbound_allow": ["127.0.0.1", "::1"], "outbound_ca_file": certificate.path}
    return settings.model_copy(update=listed)


@pytest.fixture
async def end(certificate: Certificate) -> AsyncIterator[FarEnd]:
    async with far_end(certificate.server_side) as end:
        publish(end, public_jwk("EdDSA", "one"))
        yield end


@pytest.fixture
async def signer(world: World, end: FarEnd) -> Signer:
    await make_resource(world)
    return await make_signer(world, jwks_uri=end.url)


def publish(end: FarEnd, *keys: dict[str, Any]) -> None:
    end.body = json.dumps({"keys": keys}).encode()


async def is_known(signer: Signer, header: dict[str, Any] | None = None) -> bool:
    answer = await signer.show(signer.sign(header))
    assert answer.status_code in {200, 401}
    return answer.status_code == 200


async def test_they_are_fetched_once_and_remembered(
    signer: Signer, end: FarEnd, clock: MovableClock
) -> None:
    for _ in range(3):
        assert await is_known(signer)
        clock.advance(60)
    assert len(end.asked) == 1


async def test_many_at_once_wait_for_one_fetch(signer: Signer, end: FarEnd) -> None:
    end.hold = asyncio.Event()
    waiting = [asyncio.create_task(is_known(signer)) for _ in range(10)]
    await eventually(lambda: end.asked)
    waiting.pop().cancel()  # whoever gives up ends it for nobody else
    end.hold.set()

    assert all(await asyncio.gather(*waiting))
    assert len(end.asked) == 1


async def test_a_new_key_is_found_at_once_and_an_unknown_one_asks_once_a_minute(
    signer: Signer, end: FarEnd, clock: MovableClock
) -> None:
    assert await is_known(signer)
    clock.advance(61)
    publish(end, public_jwk("EdDSA", "one"), public_jwk("ES256", "two"))
    second = Signer(signer.program, "ES256", {"kid": "two"})
    assert await is_known(second)
    assert len(end.asked) == 2

    for number in range(5):
        assert not await is_known(signer, {"kid": f"unknown {number}"})
    assert len(end.asked) == 2
    clock.advance(61)
    for number in range(5):
        assert not await is_known(signer, {"kid": f"unknown {number}"})
    assert len(end.asked) == 3


async def test_a_key_that_is_published_no_more_ends_in_minutes(
    signer: Signer, end: FarEnd, clock: MovableClock
) -> None:
    assert await is_known(signer)
    publish(end, public_jwk("ES256", "two"))
    clock.advance(minutes=4)
    assert await is_known(signer)
    clock.advance(minutes=1)

    assert not await is_known(signer)
    assert len(end.asked) == 2


async def test_after_a_failure_the_next_fetch_comes_soon_and_then_more_rarely(
    signer: Signer, end: FarEnd, clock: MovableClock
) -> None:
    end.status = "503 Busy"
    assert not await is_known(signer)
    for number, pause in enumerate((5, 10, 20, 40, 60, 60), start=1):
        clock.advance(pause - 1)
        assert not await is_known(signer)
        assert len(end.asked) == number
        clock.advance(1)
        assert not await is_known(signer)
        assert len(end.asked) == number + 1
    end.status = "200 OK"
    clock.advance(60)
    assert await is_known(signer)


@pytest.mark.parametrize(
    ("status", "body"),
    [("500 Gone", b"{}"), ("302 Found", b"{}"), ("200 OK", b"no JSON"), ("200 OK", b" " * 70_000)],
)
async def test_old_ones_count_for_an_hour_if_the_server_is_away(
    signer: Signer, end: FarEnd, clock: MovableClock, status: str, body: bytes
) -> None:
    assert await is_known(signer)
    end.status, end.body = status, body
    for minutes in (10, 20, 29):
        clock.advance(minutes=minutes)
        assert await is_known(signer)
        await eventually(lambda: len(end.asked) > 1)
    clock.advance(minutes=1)
    assert not await is_known(signer)

    end.status = "200 OK"
    publish(end, public_jwk("EdDSA", "one"))
    clock.advance(minutes=1)
    assert await is_known(signer)


async def test_another_uri_forgets_the_keys_of_the_one_before(
    signer: Signer, end: FarEnd, certificate: Certificate
) -> None:
    assert await is_known(signer)
    async with far_end(certificate.server_side) as another:
        publish(another, public_jwk("ES256", "one"))
        await signer.program.change(jwks_uri=another.url)
        assert not await is_known(signer)
        assert len(another.asked) == 1


async def test_nothing_is_fetched_for_a_stranger_or_a_bad_claim(
    signer: Signer, end: FarEnd, clock: MovableClock
) -> None:
    for changed in ({"aud": "https://other.example.com"}, {"exp": 1}, {"iss": "x", "sub": "x"}):
        assert (await signer.show(signer.sign(**changed))).status_code == 401
    await signer.program.change(disabled_at=clock.now())
    assert not await is_known(signer)
    assert end.asked == []


async def test_after_many_failures_nothing_is_fetched(
    settings: Settings, clock: MovableClock, end: FarEnd
) -> None:
    limits = {"limits": "on", "limit_client_failures": "3/minute"}
    async with World(settings.model_copy(update=limits), clock) as world:
        await make_resource(world)
        signer = await make_signer(world, jwks_uri=end.url)
        for _ in range(3):
            await signer.show("a.b.c")

        answer = await signer.show(signer.sign())

        assert (answer.status_code, end.asked) == (429, [])


@pytest.mark.parametrize("allow", [[], ["10.0.0.0/8"]])
async def test_an_address_behind_the_firewall_is_not_called(
    settings: Settings, clock: MovableClock, end: FarEnd, allow: list[str]
) -> None:
    async with World(settings.model_copy(update={"outbound_allow": allow}), clock) as world:
        await make_resource(world)
        signer = await make_signer(world, jwks_uri=end.url)

        assert not await is_known(signer)
        assert end.asked == []


async def test_for_who_registered_itself_no_listed_address_is_called_either(
    settings: Settings, clock: MovableClock, end: FarEnd
) -> None:
    """Threat: what an administrator lists for the own apps is behind the firewall."""
    told = {"dynamic_registration": "open", "issuer": "https://id.example.com/auth"}
    async with World(settings.model_copy(update=told), clock) as world:
        await make_resource(world)
        body = {
            "redirect_uris": ["https://app.example.com/callback"],
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": end.url,
        }
        made = await world.api.post("/oauth2/register", json=body)
        assert made.status_code == 201, made.text
        stranger = Signer(Program(world, UUID(made.json()["client_id"]), ""))

        refused = await stranger.show(stranger.sign(), grant_type="authorization_code", code="x")
        assert (refused.status_code, end.asked) == (401, [])
        assert await is_known(await make_signer(world, jwks_uri=end.url))
        assert len(end.asked) == 1
