"""The records as they grow: `GET /admin/events/stream`."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import pytest
from drills.harness.proxy import Fault, Proxy
from pydantic import SecretStr
from tests.fixtures.asgi import call_raw
from tests.fixtures.clock import MovableClock
from tests.fixtures.event_streams import Event, Stream, streaming
from tests.fixtures.fuzzing import listening
from tests.fixtures.programs import make_program, own_api
from tests.fixtures.world import SignedIn, World, eventually

from keyfob.admin.record_streams import RecordStreams
from keyfob.core.secrets import new_id
from keyfob.settings import Settings

PATH = "/admin/events/stream"
NEVER = timedelta(days=1)
Line = dict[str, Any]


@pytest.fixture
def streams(world: World) -> RecordStreams:
    """The service, which looks quickly, and sends no heartbeat."""
    service = world.service(RecordStreams)
    service.beat, service.pause, service.silence = 0.02, 0.01, NEVER
    return service


@pytest.fixture
async def url(world: World, streams: RecordStreams) -> AsyncIterator[str]:
    assert streams
    async with listening(world) as url:
        yield url


def follow(
    url: str, reader: SignedIn | str, last: str | None = None, **more: Any
) -> AbstractAsyncContextManager[Stream]:
    token = reader if isinstance(reader, str) else reader.access
    return streaming(url, token, last, path=PATH, **more)


async def opened(stream: Stream) -> str:
    """Take in that a stream is open, and return where it begins."""
    event = await stream.next()
    assert (event.name, event.data) == ("heartbeat", "{}")
    assert event.id
    return event.id


async def take_event(stream: Stream, name: str) -> Event:
    """Return the next event, which has to be of that log; a heartbeat may come at any time."""
    while (event := await stream.next()).name == "heartbeat":
        pass
    assert (event.name, bool(event.id)) == (name, True)
    return event


async def take(stream: Stream, name: str) -> Line:
    """Return the line of the next event, likewise."""
    line: Line = json.loads((await take_event(stream, name)).data)
    return line


async def test_lines_come_as_the_lists_have_them(
    world: World, url: str, admin: SignedIn, clock: MovableClock
) -> None:
    async with follow(url, admin) as stream:
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert (stream.headers["cache-control"], stream.headers["x-accel-buffering"]) == (
            "no-store",
            "no",
        )
        await opened(stream)
        clock.advance(1)
        await world.attempt_login("<b>nobody</b>\r\n\r\nevent: x@example.com")
        await world.attempt_login("nobody@example.com")
        refused = await take(stream, "logins")
        await world.make_user("ada@example.com", name="Ada\u2028\ndata: x")
        made = await take(stream, "audit")

    logins = await world.api.get("/admin/logins", headers=admin.headers)
    audit = await world.api.get("/admin/audit", headers=admin.headers)
    assert refused == logins.json()[0]
    assert made == audit.json()[0]
    assert (refused["reason"], made["target"]["email"]) == ("unknown_email", "ada@example.com")


@pytest.mark.parametrize("feed", ["notify", "poll"])
async def test_what_another_worker_writes_comes_too(
    world: World, admin: SignedIn, settings: Settings, clock: MovableClock, feed: str
) -> None:
    async with World(settings.model_copy(update={"feed": feed}), clock) as other:
        service = other.service(RecordStreams)
        service.beat, service.pause, service.silence = 0.02, 0.01, NEVER
        async with listening(other) as url, follow(url, admin) as stream:
            await opened(stream)
            await world.attempt_login("nobody@example.com")
            assert (await take(stream, "logins"))["reason"] == "unknown_email"


async def test_a_stream_continues_after_the_last_event(
    world: World, url: str, admin: SignedIn, clock: MovableClock
) -> None:
    async with follow(url, admin) as stream:
        last = await opened(stream)
    for number in range(3):
        clock.advance(1)
        await world.attempt_login(f"n{number}@example.com")
    await world.make_user("ada@example.com")

    async with follow(url, admin, last) as stream:
        emails = [(await take(stream, "logins"))["email"] for _ in range(3)]
        event = await take_event(stream, "audit")
        assert json.loads(event.data)["action"] == "user.created"
        assert (await stream.next()).name == "heartbeat"
    assert emails == ["n***@example.com"] * 3
    async with follow(url, admin, event.id) as stream:
        await opened(stream)


async def test_a_line_that_is_committed_late_is_not_missed(
    world: World, url: str, admin: SignedIn, clock: MovableClock
) -> None:
    insert = (
        "INSERT INTO login_events (id, at, outcome, reason, device_type)"
        " VALUES ($1, $2, 'refused', 'unknown_email', 'unknown')"
    )
    early, clock_then = new_id(clock.now()), clock.now()
    async with follow(url, admin) as stream:
        await opened(stream)
        clock.advance(5)
        await world.attempt_login("nobody@example.com")
        await take(stream, "logins")
        await world.db.execute(insert, early, clock_then)
        assert (await take(stream, "logins"))["id"] == str(early)
        assert await stream.falls_silent(0.3)


@pytest.mark.parametrize("last", ["nonsense", "x" * 2000, "old", "too much"])
async def test_a_place_that_is_not_known_is_told(
    world: World, url: str, admin: SignedIn, clock: MovableClock, last: str
) -> None:
    if last in ("old", "too much"):
        async with follow(url, admin) as stream:
            begin = await opened(stream)
        clock.advance(3601 if last == "old" else 1)
        admin = await world.log_in("root@example.com")
        if last == "too much":
            await world.db.execute(
                "INSERT INTO login_events (id, at, outcome, reason, device_type) SELECT"
                " gen_random_uuid(), $1, 'refused', 'unknown_email', 'bot'"
                " FROM generate_series(1, 500)",
                clock.now(),
            )
        last = begin
    async with follow(url, admin, last) as stream:
        event = await stream.next()
        assert (event.name, event.data) == ("start-over", '{"reason": "behind"}')
        assert await stream.has_ended()


async def test_a_reader_of_one_log_gets_that_alone(world: World, url: str, admin: SignedIn) -> None:
    tokens = {}
    for scope in ("logins:read", "audit:read", "users:read"):
        program = await make_program(world, scope=[scope], resources=[own_api(world)])
        tokens[scope] = await program.get_token()
    async with (
        follow(url, tokens["logins:read"]) as of_logins,
        follow(url, tokens["audit:read"]) as of_audit,
        follow(url, admin, kind="audit") as asked,
        follow(url, tokens["logins:read"], kind="audit", expect=403),
        follow(url, tokens["users:read"], expect=403),
        follow(url, admin, kind="everything", expect=422),
    ):
        for stream in (of_logins, of_audit, asked):
            await opened(stream)
        await world.attempt_login("nobody@example.com")
        await world.make_user("ada@example.com")
        await world.attempt_login("nobody@example.com")
        for _ in range(2):
            await take(of_logins, "logins")
        for stream in (of_audit, asked):
            await take(stream, "audit")
            assert await stream.falls_silent(0.2)


async def test_a_stream_ends_at_once_with_the_session(
    world: World, url: str, admin: SignedIn
) -> None:
    async with follow(url, admin) as stream:
        await opened(stream)
        await world.api.delete("/logout", headers=admin.headers)
        event = await stream.until("closing")
        assert (event.name, event.data) == ("closing", '{"reason": "token"}')
        assert await stream.has_ended()


async def test_a_right_that_is_taken_away_takes_its_log_along(
    world: World, url: str, admin: SignedIn
) -> None:
    role = {"name": "auditor", "permissions": ["logins:read", "audit:read"]}
    await world.api.post("/admin/roles", json=role, headers=admin.headers)
    ada = await world.make_user("ada@example.com")
    await world.db.execute("UPDATE users SET first_proven_at = created_at")
    given = await world.api.post(
        f"/admin/users/{ada}/roles", json={"role": "auditor"}, headers=admin.headers
    )
    assert given.status_code == 201, given.text
    auditor = await world.log_in()
    async with follow(url, auditor) as stream:
        await opened(stream)
        change = {"permissions": ["logins:read"]}
        await world.api.patch("/admin/roles/auditor", json=change, headers=admin.headers)
        await world.make_user("bob@example.com")
        await world.attempt_login("nobody@example.com")
        assert (await take(stream, "logins"))["reason"] == "unknown_email"
        await world.api.patch(
            "/admin/roles/auditor", json={"permissions": []}, headers=admin.headers
        )
        await world.attempt_login("nobody@example.com")
        assert (await stream.until("closing")).data == '{"reason": "token"}'
        assert await stream.has_ended()


async def test_a_heartbeat_comes_in_silence_and_is_no_activity(
    world: World, url: str, streams: RecordStreams, admin: SignedIn, clock: MovableClock
) -> None:
    streams.silence = timedelta(seconds=5)
    seen = "SELECT max(last_activity_at) FROM sessions"
    async with follow(url, admin) as stream:
        await opened(stream)
        before = clock.now()
        for _ in range(3):
            clock.advance(6)
            await opened(stream)
    assert await world.db.fetchval(seen) <= before


async def test_streams_are_bounded_and_give_their_places_back(
    world: World, url: str, streams: RecordStreams, admin: SignedIn
) -> None:
    streams.most, streams.most_of_one = 3, 2
    other = await world.make_admin("second@example.com")
    async with (
        follow(url, admin),
        follow(url, admin),
        follow(url, admin, expect=429) as refused,
        follow(url, other),
        follow(url, other, expect=503) as full,
    ):
        assert refused.headers["retry-after"] == full.headers["retry-after"] == "5"
    await eventually(lambda: not streams.readers)
    async with follow(url, admin):
        pass


async def test_a_reader_who_sleeps_starts_over(
    world: World, url: str, streams: RecordStreams, admin: SignedIn
) -> None:
    streams.most_bytes = 5_000
    awakes, token = asyncio.Event(), [(b"authorization", f"Bearer {admin.access}".encode())]
    sleeping = asyncio.create_task(call_raw(world, "GET", PATH, headers=token, takes=awakes))
    async with follow(url, admin) as stream:
        await opened(stream)
        for _ in range(20):
            await world.attempt_login("nobody@example.com")
            await take(stream, "logins")
    awakes.set()

    told = (await sleeping).body.decode()

    assert told.endswith('event: start-over\ndata: {"reason": "behind"}\n\n')


async def test_a_stop_ends_streams_in_order(world: World, url: str, admin: SignedIn) -> None:
    async with follow(url, admin) as stream:
        await opened(stream)
        world.wiring.announce_stop()
        event = await stream.until("closing")
        assert (event.name, event.data) == ("closing", '{"reason": "stopping"}')
        assert await stream.has_ended()
    async with follow(url, admin, expect=503):
        pass


async def test_while_the_database_is_away_nothing_comes_and_then_all_of_it(
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
            World(settings, clock) as other,
            listening(world) as url,
        ):
            service = world.service(RecordStreams)
            service.beat, service.pause, service.silence = 0.02, 0.01, NEVER
            admin = await world.make_admin()
            async with follow(url, admin) as stream:
                await opened(stream)
                await outage.begin(Fault.CLOSED)
                await other.attempt_login("nobody@example.com")
                async with follow(url, admin, expect=503):
                    pass
                await outage.end()
                assert (await take(stream, "logins"))["reason"] == "unknown_email"


async def test_a_head_request_ends_at_once(
    world: World, streams: RecordStreams, admin: SignedIn
) -> None:
    answer = await world.api.head(PATH, headers=admin.headers)

    assert (answer.status_code, answer.content) == (200, b"")
    assert not streams.readers
