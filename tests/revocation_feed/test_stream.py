"""The feed as server-sent events, over a real connection."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from drills.harness.proxy import Fault, Proxy
from pydantic import SecretStr
from tests.fixtures.asgi import call_raw
from tests.fixtures.clock import MovableClock
from tests.fixtures.event_streams import Stream, streaming
from tests.fixtures.feed import Follower, bearer, token_of_reader
from tests.fixtures.fuzzing import listening
from tests.fixtures.programs import make_program, own_api
from tests.fixtures.world import World, eventually

from keyfob.revocation_feed.streams import RevocationStreams
from keyfob.sessions.revocations import Revocations
from keyfob.settings import Settings

NO_BEAT = 3600.0  # so that no heartbeat comes between on a slow machine
ADA, BOB, EVE = (UUID(int=number) for number in (1, 2, 3))


@pytest.fixture
async def url(world: World) -> AsyncIterator[str]:
    world.service(RevocationStreams).beat = NO_BEAT
    async with listening(world) as url:
        yield url


@pytest.fixture(params=["notify", "poll"])
async def elsewhere(
    world: World, settings: Settings, clock: MovableClock, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[World, str]]:
    """Another worker that hears of revocations in either way, and its URL."""
    kind = settings.model_copy(update={"feed": request.param})
    async with World(kind, clock) as other, listening(other) as url:
        other.service(RevocationStreams).beat = NO_BEAT
        yield other, url


async def revoke(world: World, *ids: UUID, generation: int = 0) -> None:
    async with world.db.begin() as tx:
        await world.service(Revocations).revoke(tx, [(of, generation) for of in ids])


async def take_next(follower: Follower, stream: Stream) -> set[UUID]:
    """Take the next document, whose place has to follow the last one; return its ids."""
    event = await stream.next()
    assert event.name == "revocations"
    document = await follower.take(event.data)
    assert event.id == document["position"]
    return {UUID(entry["sid"]) for entry in document["entries"]}


async def test_it_begins_with_what_matters_and_goes_on(
    world: World, elsewhere: tuple[World, str]
) -> None:
    _, url = elsewhere
    await revoke(world, ADA)
    follower = Follower(world, await token_of_reader(world))
    async with streaming(url, follower.token) as stream:
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "no-store"
        assert stream.headers["x-accel-buffering"] == "no"
        assert await take_next(follower, stream) == {ADA}
        assert follower.documents[0]["complete"]
        for one in (BOB, EVE):
            await revoke(world, one)
            assert await take_next(follower, stream) == {one}


@pytest.mark.parametrize("by", ["header", "query", "both"])
async def test_it_continues_where_a_reader_stopped(
    world: World, url: str, follower: Follower, by: str
) -> None:
    early = follower.position
    await revoke(world, ADA)
    async with streaming(url, follower.token, early) as stream:
        assert await take_next(follower, stream) == {ADA}
    await revoke(world, BOB)

    query = {"header": None, "query": follower.position, "both": early}[by]
    header = None if by == "query" else follower.position
    async with streaming(url, follower.token, header, query) as stream:
        assert await take_next(follower, stream) == {BOB}
    # A poll continues where a stream ended. What all streams are still to be sent comes twice.
    assert {UUID(entry["sid"]) for entry in await follower.poll()} <= {BOB}
    assert await follower.poll() == []


async def test_an_unknown_position_begins_anew(world: World, url: str, follower: Follower) -> None:
    await revoke(world, ADA)
    async with streaming(url, follower.token, "no such position") as stream:
        assert await take_next(follower, stream) == {ADA}
    assert follower.documents[-1]["complete"]


async def test_who_commits_last_is_not_missed(world: World, url: str, follower: Follower) -> None:
    async with streaming(url, follower.token, follower.position) as stream:
        assert await take_next(follower, stream) == set()
        async with world.db.begin() as slow:
            await world.service(Revocations).revoke(slow, [(ADA, 0)])
            await revoke(world, BOB)
            assert await take_next(follower, stream) == {BOB}
        assert await take_next(follower, stream) == {ADA}


async def test_much_comes_in_several_events(world: World, url: str, follower: Follower) -> None:
    ids = [UUID(int=number) for number in range(1, 1201)]
    await revoke(world, *ids)
    anew, found = Follower(world, follower.token), set()
    async with (
        streaming(url, follower.token, follower.position) as resumed,
        streaming(url, follower.token) as stream,
    ):
        for one, reader in ((stream, anew), (resumed, follower)):
            for _ in range(3):
                found |= await take_next(reader, one)
            assert found == set(ids)
            assert [d["more"] for d in reader.documents[-3:]] == [True, True, False]
        await revoke(world, *ids, generation=1)
        for one, reader in ((stream, anew), (resumed, follower)):
            assert sum([len(await take_next(reader, one)) for _ in range(3)]) == 1200


async def test_all_readers_of_a_worker_get_the_same_bytes(
    world: World, url: str, follower: Follower
) -> None:
    """They are signed once: each signature has an id of its own."""
    async with (
        streaming(url, follower.token, follower.position) as one,
        streaming(url, follower.token) as two,
    ):
        await one.next(), await two.next()
        await revoke(world, ADA)
        assert await one.next() == await two.next()


async def test_a_heartbeat_is_a_signed_document(
    world: World, url: str, follower: Follower, clock: MovableClock
) -> None:
    world.service(RevocationStreams).beat = 0.05
    async with streaming(url, follower.token, follower.position) as stream:
        await take_next(follower, stream)
        for _ in range(3):
            clock.advance(1)
            event = await stream.until("heartbeat")
            document = await follower.take(event.data)
            assert (event.id, document["entries"]) == (document["position"], [])
        assert document["iat"] > follower.documents[0]["iat"]
        await revoke(world, ADA)
        await follower.take((await stream.until("revocations", follower)).data)
    assert ADA in follower.dead


async def test_no_heartbeat_is_sent_while_the_database_is_away(
    settings: Settings, clock: MovableClock, dsn: str
) -> None:
    async with Proxy(dsn).running() as outage:
        brittle = {
            "database_url": SecretStr(outage.dsn),
            "database_acquire_timeout": 0.5,
            "database_command_timeout": 1.0,
        }
        async with (
            World(settings.model_copy(update=brittle), clock) as world,
            listening(world) as url,
        ):
            world.service(RevocationStreams).beat = 0.05
            token = await token_of_reader(world)
            async with streaming(url, token) as stream:
                await stream.until("heartbeat")
                await outage.begin(Fault.CLOSED)
                await eventually(lambda: not world.wiring.feed.is_live)
                assert await stream.falls_silent(2.0)
            refused = await world.api.get("/revocations", headers=bearer(token))
            assert refused.status_code == 503


async def test_another_epoch_sends_everybody_to_the_start(
    world: World, url: str, follower: Follower
) -> None:
    async with streaming(url, follower.token, follower.position) as stream:
        await take_next(follower, stream)
        await world.db.execute("TRUNCATE revocations")
        await revoke(world, ADA)
        event = await stream.next()
        assert (event.name, event.id, event.data) == ("start-over", None, '{"reason": "epoch"}')
        assert await stream.has_ended()
    async with streaming(url, follower.token, follower.position) as stream:
        assert await take_next(follower, stream) == {ADA}
    assert follower.documents[-1]["complete"]


async def test_a_reader_who_sleeps_starts_over_and_costs_the_others_nothing(
    world: World, url: str, follower: Follower
) -> None:
    world.service(RevocationStreams).most_bytes = 20_000  # some ten events
    awakes, token = asyncio.Event(), [(b"authorization", f"Bearer {follower.token}".encode())]
    sleeping = asyncio.create_task(
        call_raw(world, "GET", "/revocations/stream", headers=token, takes=awakes)
    )
    async with streaming(url, follower.token, follower.position) as stream:
        await take_next(follower, stream)
        for number in range(1, 41):
            await revoke(world, UUID(int=number))
            assert await take_next(follower, stream) == {UUID(int=number)}
    awakes.set()
    told = (await sleeping).body.decode()

    assert told.endswith('event: start-over\ndata: {"reason": "behind"}\n\n')
    assert told.count("event: ") < 10


async def test_the_streams_of_a_client_and_of_a_worker_are_bounded(
    world: World, url: str, follower: Follower
) -> None:
    streams = world.service(RevocationStreams)
    streams.most_of_one, streams.most = 2, 3
    other = await token_of_reader(world)
    async with (
        streaming(url, follower.token),
        streaming(url, follower.token),
        streaming(url, follower.token, expect=429) as refused,
        streaming(url, other),
        streaming(url, other, expect=503) as full,
    ):
        assert refused.headers["retry-after"] == full.headers["retry-after"] == "5"
    await eventually(lambda: not streams.readers)
    async with streaming(url, other):
        pass


async def test_a_stream_ends_with_the_token_s_time(
    world: World, url: str, follower: Follower, clock: MovableClock
) -> None:
    world.service(RevocationStreams).beat = 0.05
    async with streaming(url, follower.token) as stream:
        clock.advance(300)
        event = await stream.until("closing")
        assert event.data == '{"reason": "token"}'
        assert await stream.has_ended()


async def test_a_stream_ends_with_the_right_to_read(
    world: World, elsewhere: tuple[World, str]
) -> None:
    _, url = elsewhere
    root = await world.make_admin()
    body = {"name": "Feed", "scope": ["revocations:read"]}
    made = await world.api.post("/me/api-keys", json=body, headers=root.headers)
    program = await make_program(world, scope=["revocations:read"], resources=[own_api(world)])
    token = await program.get_token()

    async def revoke_the_key() -> None:
        await world.api.delete(f"/me/api-keys/{made.json()['id']}", headers=root.headers)

    async def revoke_the_token() -> None:
        await program.revoke(token)

    async def sign_out() -> None:
        await world.api.delete("/logout", headers=root.headers)

    for held, ends in (
        (made.json()["api_key"], revoke_the_key),
        (token, revoke_the_token),
        (root.access, sign_out),
    ):
        async with streaming(url, held) as stream:
            assert (await stream.next()).name == "revocations"
            await ends()
            assert (await stream.next()).data == '{"reason": "token"}'
            assert await stream.has_ended()


async def test_a_stop_ends_streams_and_opens_none(
    world: World, url: str, follower: Follower
) -> None:
    async with streaming(url, follower.token) as stream:
        await stream.next()
        world.wiring.announce_stop()
        event = await stream.next()
        assert (event.name, event.data) == ("closing", '{"reason": "stopping"}')
        assert await stream.has_ended()
    async with streaming(url, follower.token, expect=503):
        pass


async def test_reading_a_stream_is_no_activity(world: World, url: str, clock: MovableClock) -> None:
    streams = world.service(RevocationStreams)
    root = await world.make_admin()
    seen = "SELECT max(last_activity_at) FROM sessions"
    streams.beat = 0.05
    async with streaming(url, root.access) as stream:
        await stream.next()
        before = clock.now()
        clock.advance(100)
        for _ in range(3):
            await stream.until("heartbeat")
    await world.service(RevocationStreams).close()
    assert await world.db.fetchval(seen) <= before


async def test_a_head_request_ends_at_once(world: World, follower: Follower) -> None:
    answer = await world.api.head("/revocations/stream", headers=bearer(follower.token))

    assert (answer.status_code, answer.content) == (200, b"")
    assert not world.service(RevocationStreams).readers


async def test_a_reader_who_leaves_gives_its_place_back(world: World, follower: Follower) -> None:
    left = asyncio.Event()
    streams = world.service(RevocationStreams)
    token = [(b"authorization", f"Bearer {follower.token}".encode())]
    reading = asyncio.create_task(
        call_raw(world, "GET", "/revocations/stream", headers=token, leaves=left)
    )
    await eventually(lambda: streams.readers)
    left.set()
    await reading
    assert not streams.readers
