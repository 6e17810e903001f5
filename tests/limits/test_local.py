import tracemalloc

import pytest

from keyfob.core.problems import TooManyRequests
from keyfob.limits.local import LocalRate
from keyfob.limits.models import Rule


def passes(rate, key="session"):
    try:
        rate.hit(key)
    except TooManyRequests:
        return False
    return True


def rate_of(notation, clock, **options):
    return LocalRate(Rule.parse("refresh", notation), clock, **options)


def test_a_key_passes_as_often_as_allowed_and_again_in_the_next_window(clock):
    rate = rate_of("2/minute", clock)

    assert [passes(rate) for _ in range(3)] == [True, True, False]
    assert passes(rate, "another")
    clock.advance(60)
    assert [passes(rate) for _ in range(3)] == [True, True, False]


def test_several_windows_hold_together_and_a_refusal_takes_nothing(clock):
    rate = rate_of("2/minute;3/day", clock)

    assert [passes(rate) for _ in range(10)].count(True) == 2
    clock.advance(60)
    assert [passes(rate) for _ in range(10)].count(True) == 1


def test_the_refusal_tells_when_the_window_ends(clock):
    rate = rate_of("1/minute", clock)
    clock.advance(60 - clock.now().timestamp() % 60 + 12.5)
    rate.hit("session")

    with pytest.raises(TooManyRequests) as refusal:
        rate.hit("session")

    assert refusal.value.headers["Retry-After"] == "48"


def test_a_clock_set_back_begins_a_new_window(clock):
    rate = rate_of("1/minute", clock)
    rate.hit("session")

    clock.advance(-90)

    assert passes(rate)


def test_the_oldest_are_forgotten_before_memory_grows(clock):
    rate = rate_of("1/hour", clock, max_entries=100)
    for number in range(1050):
        rate.hit(number)

    assert len(rate) <= 100
    assert not passes(rate, 1049)
    assert passes(rate, 0)


def test_a_hundred_thousand_keys_cost_less_than_ten_megabytes(clock):
    rate = rate_of("30/minute", clock)
    tracemalloc.start()
    try:
        for number in range(100_000):
            rate.hit(f"{number:064}")
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert used < 10_000_000
