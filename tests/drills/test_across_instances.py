"""A drill at its smallest size, and what the soak calls growth and leaks."""

import asyncio
import time

import pytest
from drills.harness.crowd import QUICK, Pace
from drills.harness.outcome import render
from drills.scenes import restore
from drills.scenes.soak import Course, Sample, growth, leaks

pytestmark = pytest.mark.slow


async def test_a_dump_that_is_restored_keeps_every_promise() -> None:
    outcome = await restore.restored(QUICK)

    assert outcome.unbroken, render("restored", outcome)
    assert outcome.acknowledged > QUICK.requests


def course_of(*samples: Sample, connections: int = 5) -> Course:
    return Course(workers={1: list(samples)}, connections=[connections])


def test_a_worker_that_grows_is_seen() -> None:
    level, higher = [Sample(90.0, 30)] * 3, [Sample(99.0, 30)] * 3

    assert [share for share, _ in growth(course_of(*higher, *level, *level))] == [1.0]
    assert [share for share, _ in growth(course_of(*level, *level, *higher))] == [
        pytest.approx(1.1)
    ]


async def test_a_pace_is_kept_by_all_together_and_not_made_up_for() -> None:
    pace = Pace()
    for _ in range(100):
        await pace.turn()  # at first, as many as can be
    pace.rate = 100

    began = time.monotonic()
    await asyncio.gather(*(pace.turn() for _ in range(10)))
    together = time.monotonic() - began
    time.sleep(0.1)  # noqa: ASYNC251 - a machine that stood still
    resumed = time.monotonic()
    for _ in range(5):
        await pace.turn()

    assert together >= 0.09
    assert time.monotonic() - resumed >= 0.04


def test_files_and_connections_that_stay_open_are_seen() -> None:
    level, more = [Sample(90.0, 30)] * 3, [Sample(90.0, 34)] * 3

    assert leaks(course_of(*level, *level, *level)) == []
    assert len(leaks(course_of(*level, *level, *more))) == 1
    assert len(leaks(course_of(*level, *level, *level, connections=23))) == 1
