"""Readers of streams: counted apart, and given what they follow."""

from tests.admin.test_record_stream import follow, opened, streams, take, url
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import SignedIn, World

from keyfob.admin.record_streams import RecordStreams

__all__ = ["streams", "url"]


async def test_the_streams_of_a_key_are_not_those_of_its_user(
    world: World, url: str, streams: RecordStreams, admin: SignedIn
) -> None:
    streams.most_of_one = 1
    body = {"name": "Collector", "scope": ["logins:read"]}
    made = await world.api.post("/me/api-keys", json=body, headers=admin.headers)
    key: str = made.json()["api_key"]
    async with (
        follow(url, key) as of_key,
        follow(url, key, expect=429),
        follow(url, admin) as of_user,
    ):
        await opened(of_key)
        await opened(of_user)


async def test_what_another_log_has_is_no_reason_to_start_over(
    world: World, url: str, admin: SignedIn, clock: MovableClock
) -> None:
    async with follow(url, admin) as stream:
        begin = await opened(stream)
    clock.advance(1)
    await world.make_user("ada@example.com")
    await world.db.execute(
        "INSERT INTO login_events (id, at, outcome, reason, device_type) SELECT"
        " gen_random_uuid(), $1, 'refused', 'unknown_email', 'bot' FROM generate_series(1, 500)",
        clock.now(),
    )

    async with follow(url, admin, begin, kind="audit") as stream:
        assert (await take(stream, "audit"))["action"] == "user.created"


async def test_a_reader_who_was_away_gets_many_lines_in_order(
    world: World, url: str, admin: SignedIn, clock: MovableClock
) -> None:
    async with follow(url, admin) as stream:
        begin = await opened(stream)
    clock.advance(1)
    await world.db.execute(
        "INSERT INTO login_events (id, at, outcome, reason, device_type, email) SELECT"
        " gen_random_uuid(), $1::timestamptz + n * interval '1 millisecond', 'refused',"
        " 'unknown_email', 'bot', n::text FROM generate_series(1, 230) AS n",
        clock.now(),
    )
    clock.advance(1)

    async with follow(url, admin, begin) as stream:
        told = [(await take(stream, "logins"))["email"] for _ in range(230)]

    assert told == [str(number) for number in range(1, 231)]
