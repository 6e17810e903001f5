"""The first signal that ends a process counts, and interrupts nothing at a bad moment."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from keyfob.core.stopping import (
    ENDING,
    end_in_order,
    ending_heard_by,
    held_back,
    pause,
    undisturbed,
)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = [signal.getsignal(number) for number in ENDING]
    for number in ENDING:  # whoever runs the tests may have left them ignored
        signal.signal(number, signal.SIG_DFL)
    end_in_order()
    yield
    for number, handler in zip(ENDING, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_the_first_one_ends_and_no_other_is_heard(number: int) -> None:
    with pytest.raises(SystemExit) as end:
        signal.raise_signal(number)

    assert end.value.code == 128 + number
    for another in ENDING:
        signal.raise_signal(another)


def test_what_is_held_back_is_heard_at_the_end() -> None:
    done = False

    def work() -> None:
        nonlocal done
        with held_back():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            done = True

    with pytest.raises(SystemExit) as end:
        work()

    assert (done, end.value.code) == (True, 128 + signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)


def test_a_pause_is_given_up() -> None:
    def wait() -> None:
        with held_back():
            pause(0)
            signal.raise_signal(signal.SIGHUP)
            pause(0)
            pytest.fail("it went on")

    with pytest.raises(SystemExit) as end:
        wait()

    assert end.value.code == 128 + signal.SIGHUP
    pause(0)


def test_nobody_is_disturbed_and_what_came_is_forgotten() -> None:
    with undisturbed():
        signal.raise_signal(signal.SIGTERM)
        pause(0)

    with pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGTERM)


def test_after_a_handler_heard_one_nothing_is_cut_short() -> None:
    heard: list[Any] = []
    with ending_heard_by(lambda number, _: heard.append(number)):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    for number in ENDING:
        signal.raise_signal(number)

    assert heard == [signal.SIGINT] * 2


def test_after_a_handler_heard_none_the_former_does() -> None:
    with ending_heard_by(lambda *_: None):
        pass

    with pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGHUP)
