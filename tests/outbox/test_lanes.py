"""The number of jobs of a kind that run at once."""

from datetime import timedelta
from uuid import UUID

from tests.fixtures.clock import START

from keyfob.outbox.lanes import Lane


def enter(lane: Lane, tick: float, *jobs: int) -> None:
    for job in jobs:
        lane.enter(UUID(int=job), tick)


def test_eight_at_once_and_what_ends_makes_room() -> None:
    lane = Lane()
    enter(lane, 0.0, *range(8))

    assert lane.capacity(START, 1.0) == 0
    lane.leave(UUID(int=3))
    assert lane.capacity(START, 1.0) == 1


def test_what_takes_long_is_set_aside_but_no_more_than_eight() -> None:
    lane = Lane()
    enter(lane, 0.0, *range(8))
    assert lane.capacity(START, 2.0) == 8

    enter(lane, 2.0, *range(8, 16))
    assert lane.capacity(START, 3.0) == 0
    assert lane.capacity(START, 60.0) == 0

    lane.leave(UUID(int=0))
    assert lane.capacity(START, 60.0) == 1


def test_where_nothing_is_set_aside_the_width_is_all() -> None:
    lane = Lane(4, aside=0)
    enter(lane, 0.0, *range(4))

    assert lane.capacity(START, 600.0) == 0


def test_who_finds_out_whether_the_world_is_back_is_not_set_aside() -> None:
    """A server that is away without a word: not one time-out after the other, side by side."""
    lane = Lane()
    lane.close(START)
    assert lane.capacity(START, 0.0) == 0
    now = START + timedelta(seconds=1)
    assert lane.capacity(now, 1.0) == 1

    enter(lane, 1.0, 1)
    assert lane.capacity(now, 20.0) == 0


def test_what_took_long_before_the_world_went_away_stops_nobody_from_asking() -> None:
    lane = Lane()
    enter(lane, 0.0, *range(5))
    lane.close(START)

    assert lane.capacity(START + timedelta(seconds=1), 3.0) == 1
    lane.open()
    assert lane.capacity(START, 3.0) == 8
