"""The only sources of time and randomness."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.fixtures.clock import START

from keyfob.core.clock import Clock
from keyfob.core.secrets import new_id, random_bytes, random_text


def test_the_clock_is_aware_of_its_zone_and_goes_on() -> None:
    clock = Clock()
    first, second = clock.now(), clock.now()

    assert first.tzinfo is UTC
    assert first <= second
    assert abs(clock.timestamp() - clock.now().timestamp()) <= 1
    assert type(clock.timestamp()) is int, "a NumericDate of ours has no fraction"


@pytest.mark.parametrize("off", [-90, -0.5, 0.5, 90])
def test_a_clock_that_is_off_takes_the_databases_time(off: float) -> None:
    clock, theirs = Clock(), Clock().now() + timedelta(seconds=off)

    clock.follow(theirs, took=0.01)

    assert abs((clock.now() - theirs).total_seconds()) < 0.2


@pytest.mark.parametrize(("off", "took"), [(0.2, 0.0), (-0.2, 0.0), (-3.0, 6.0), (-1.8, 2.0)])
def test_a_clock_that_may_be_right_stays(off: float, took: float) -> None:
    clock = Clock()
    theirs = clock.now() + timedelta(seconds=off)

    clock.follow(theirs, took)

    assert clock.now() < theirs if off > 0 else clock.now() > theirs


def test_an_id_is_a_uuid_of_version_7_and_tells_when_it_was_made() -> None:
    made = new_id(START + timedelta(milliseconds=250))

    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    milliseconds = made.int >> 80
    assert datetime.fromtimestamp(milliseconds / 1000, UTC) == START + timedelta(milliseconds=250)


def test_ids_sort_by_the_time_they_were_made_and_none_comes_twice() -> None:
    ids = [new_id(START + timedelta(milliseconds=number)) for number in range(200)]

    assert ids == sorted(ids)
    assert len({new_id(START) for _ in range(1000)}) == 1000


def test_all_bits_of_chance_vary() -> None:
    seen_set = seen_clear = 0
    for _ in range(200):
        value = new_id(START).int & ((1 << 80) - 1)
        seen_set |= value
        seen_clear |= ~value
    fixed = 0xF << 76 | 0b11 << 62
    chance = ((1 << 80) - 1) & ~fixed

    assert seen_set & chance == chance
    assert seen_clear & chance == chance


def test_chance_has_the_length_that_was_asked_for() -> None:
    assert len(random_bytes(16)) == 16
    assert random_bytes(16) != random_bytes(16)
    assert len(random_text(12)) == 16
    assert random_text() != random_text()
