"""Hours and days of a zone, also where clocks are changed."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from tests.fixtures.clock import START

from keyfob.core.problems import InvalidInput
from keyfob.statistics.models import By
from keyfob.statistics.periods import edges_of


def hours(zone: str, since: datetime, until: datetime, by: By = By.DAY) -> list[float]:
    """Return the lengths of the periods in hours, and check that they cover what was asked for."""
    edges = edges_of(by, ZoneInfo(zone), since, until, START)
    assert edges[0] <= since
    assert edges[-1] >= until
    return [(b - a) / timedelta(hours=1) for a, b in pairwise(edges)]


@pytest.mark.parametrize(
    ("zone", "since", "until", "expected"),
    [
        ("UTC", "2026-03-28T00:00Z", "2026-03-31T00:00Z", [24, 24, 24]),
        ("Europe/Berlin", "2026-03-27T23:00Z", "2026-03-30T22:00Z", [24, 23, 24]),
        ("Europe/Berlin", "2026-10-23T22:00Z", "2026-10-26T23:00Z", [24, 25, 24]),
        ("Australia/Lord_Howe", "2026-04-03T13:00Z", "2026-04-05T13:30Z", [24, 24.5]),
        ("Asia/Kathmandu", "2026-06-01T12:00Z", "2026-06-01T18:16Z", [24, 24]),
        # Clocks go forward at midnight there: that day begins at 01:00.
        ("Africa/Cairo", "2026-04-22T22:00Z", "2026-04-24T21:00Z", [24, 23]),
        # A day that was left out.
        ("Pacific/Apia", "2011-12-29T10:00Z", "2011-12-31T10:00Z", [24, 24]),
    ],
)
def test_days_are_from_midnight_to_midnight_there(
    zone: str, since: str, until: str, expected: list[float]
) -> None:
    assert hours(zone, datetime.fromisoformat(since), datetime.fromisoformat(until)) == expected


@pytest.mark.parametrize(
    ("zone", "since", "until", "expected"),
    [
        ("Asia/Kolkata", "2026-06-01T00:00Z", "2026-06-01T01:00Z", [1, 1]),
        ("Europe/Berlin", "2026-03-29T00:00Z", "2026-03-29T02:00Z", [1, 1]),
        ("Europe/Berlin", "2026-10-25T00:00Z", "2026-10-25T02:00Z", [1, 1]),
        # Clocks go from 02:00 to 02:30, so the hour after it has thirty minutes.
        ("Australia/Lord_Howe", "2026-10-03T14:00Z", "2026-10-03T17:00Z", [1, 1, 0.5, 1]),
        ("Australia/Lord_Howe", "2026-10-03T15:45Z", "2026-10-03T16:00Z", [0.5]),
    ],
)
def test_hours_are_whole_ones_there(
    zone: str, since: str, until: str, expected: list[float]
) -> None:
    begin, end = datetime.fromisoformat(since), datetime.fromisoformat(until)

    assert hours(zone, begin, end, By.HOUR) == expected


@pytest.mark.parametrize("by", By)
def test_by_default_they_end_with_the_present_one(by: By) -> None:
    edges = edges_of(by, ZoneInfo("Europe/Berlin"), None, None, START)

    assert edges[-2] <= START <= edges[-1]
    assert len(edges) == {By.HOUR: 25, By.DAY: 32}[by]


@pytest.mark.parametrize(
    ("by", "since", "until", "pointer"),
    [
        (By.DAY, START - timedelta(days=91), START, "/query/since"),
        (By.HOUR, START - timedelta(days=7, seconds=1), START, "/query/since"),
        (By.DAY, START, START, "/query/since"),
        (By.DAY, START + timedelta(days=1), None, "/query/since"),
        (By.DAY, datetime(1, 1, 1, tzinfo=UTC), START, "/query/since"),
        (By.DAY, None, datetime(1, 1, 2, tzinfo=UTC), "/query/until"),
        (By.HOUR, None, datetime(9999, 12, 31, tzinfo=UTC), "/query/until"),
    ],
)
def test_too_many_and_none_are_refused(
    by: By, since: datetime | None, until: datetime | None, pointer: str
) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Niue"):
        with pytest.raises(InvalidInput) as refused:
            edges_of(by, ZoneInfo(zone), since, until, START)
        assert [error["pointer"] for error in refused.value.errors] == [pointer]
