"""A refusal is remembered until the next attempt may succeed, and no longer."""

from datetime import timedelta

from tests.fixtures.clock import START

from keyfob.limits.models import Tally, Window
from keyfob.limits.refused import Refused


def window(name: str, seconds: int) -> Window:
    return Window(name, name, 5, seconds)


def tally(name: str, seconds: int, count: int) -> Tally:
    return Tally(window(name, seconds), count, START + timedelta(seconds=seconds))


def test_a_refusal_is_known_for_a_second() -> None:
    refused = Refused()
    windows = [window("minute", 60), window("hour", 3600)]
    counted = (tally("minute", 60, 5), tally("hour", 3600, 3))
    refused.add(windows, counted, START)

    assert refused.find(windows, START + timedelta(seconds=0.9)) == counted
    assert refused.find(windows, START + timedelta(seconds=1)) is None
    assert len(refused) == 0


def test_it_is_known_no_longer_than_the_window_lasts() -> None:
    refused = Refused()
    late = START + timedelta(seconds=59.5)
    refused.add([window("minute", 60)], (tally("minute", 60, 5),), late)

    assert refused.find([window("minute", 60)], START + timedelta(seconds=60)) is None


def test_it_is_of_those_windows_alone() -> None:
    refused = Refused()
    refused.add([window("ada", 60)], (tally("ada", 60, 5),), START)

    assert refused.find([window("bob", 60)], START) is None
    assert refused.find([window("ada", 60), window("bob", 60)], START) is None


def test_the_older_half_is_forgotten_where_there_are_too_many() -> None:
    refused = Refused(max_kept=4)
    for number in range(5):
        refused.add([window(str(number), 60)], (tally(str(number), 60, 5),), START)

    kept = [refused.find([window(str(number), 60)], START) is not None for number in range(5)]

    assert kept == [False, False, True, True, True]
