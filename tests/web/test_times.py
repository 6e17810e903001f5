"""Times and numbers, in the reader's zone and language."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from keyfob.core.locales import Locale, speaking
from keyfob.web.parts import times

AT = datetime(2026, 11, 27, 23, 3, 22, tzinfo=UTC)
NOW = AT + timedelta(minutes=5, seconds=40)
LOCALES = list(Locale)


def on_one_line(said: str) -> str:
    """Return a text with spaces for those that keep a number and its noun on one line."""
    return said.replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture(params=["Europe/Moscow"])
def reader(request: pytest.FixtureRequest) -> Iterator[None]:
    with times.reading(request.param, NOW):
        yield


@pytest.mark.usefixtures("reader")
def test_a_moment_is_in_the_readers_zone_and_tells_utc() -> None:
    assert times.moment(AT) == (
        '<time datetime="2026-11-27T23:03:22Z"'
        ' title="28 Nov 2026, 02:03:22 Europe/Moscow (27 Nov 2026, 23:03:22 UTC)"'
        ' data-form="moment" data-zone="Europe/Moscow">28 Nov 2026, 02:03</time>'
    )
    assert ">28 Nov 2026<" in times.day(AT)
    assert ">02:03<" in times.clock(AT)
    with speaking(Locale.RUSSIAN):
        assert ">28 ноября 2026, 02:03<" in on_one_line(times.moment(AT))


def test_without_a_zone_it_is_utc_and_left_to_the_browser() -> None:
    with times.reading(None, NOW):
        assert times.day(AT) == (
            '<time datetime="2026-11-27T23:03:22Z" title="27 Nov 2026, 23:03:22 UTC"'
            ' data-form="day">27 Nov 2026</time>'
        )


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(
    ("passed", "english", "russian"),
    [
        (timedelta(seconds=59), "just now", "только что"),
        (timedelta(minutes=1), "1 minute ago", "1 минуту назад"),
        (timedelta(minutes=5), "5 minutes ago", "5 минут назад"),
        (timedelta(hours=2), "2 hours ago", "2 часа назад"),
        (timedelta(days=6), "6 days ago", "6 дней назад"),
        (timedelta(days=7), "21 Nov 2026", "21 ноября 2026"),
        (timedelta(seconds=-30), "in less than a minute", "менее чем через минуту"),
        (timedelta(minutes=-21), "in 21 minutes", "через 21 минуту"),
        (timedelta(hours=-5), "in 5 hours", "через 5 часов"),
        (timedelta(days=-1), "in 1 day", "через 1 день"),
        (timedelta(days=-8), "6 Dec 2026", "6 декабря 2026"),
    ],
)
def test_what_is_near_is_told_from_now(passed: timedelta, english: str, russian: str) -> None:
    for locale, said in zip(LOCALES, (english, russian), strict=True):
        with speaking(locale):
            assert f">{said}</time>" in on_one_line(times.ago(NOW - passed))


@pytest.mark.usefixtures("reader")
def test_what_never_was_is_never() -> None:
    assert {times.day(None), times.moment(None), times.ago(None)} == {"never"}


@pytest.mark.usefixtures("reader")
def test_days_have_headings_and_end_with_themselves() -> None:
    today = times.local_date(NOW)

    assert today == date(2026, 11, 28)
    assert times.heading(today) == "Today"
    assert times.heading(today - timedelta(days=1)) == "Yesterday"
    assert times.heading(today - timedelta(days=2)) == "Thursday, 26 Nov 2026"
    # Half past one on the 28th in Moscow is still the 27th in UTC.
    assert times.start_of(today) == datetime(2026, 11, 27, 21, tzinfo=UTC)


def test_a_day_of_a_change_of_clocks_has_its_own_length() -> None:
    with times.reading("Europe/Berlin", NOW):
        spring = times.start_of(date(2026, 3, 30)) - times.start_of(date(2026, 3, 29))

    assert spring == timedelta(hours=23)


@pytest.mark.parametrize(
    ("said", "english", "russian"),
    [
        (lambda: times.number(7), "7", "7"),
        (lambda: times.number(1204), "1,204", "1 204"),
        (lambda: times.number(1_000_000), "1,000,000", "1 000 000"),
        (lambda: times.percent(0.126), "13%", "13 %"),
        (lambda: times.duration(42), "42 s", "42 \u0441"),
        (lambda: times.duration(125), "2 min", "2 мин"),
        (lambda: times.duration(11_520), "3 h 12 min", "3 ч 12 мин"),
        (lambda: times.duration(90_000_000), "1,041 d 16 h", "1 041 дн. 16 ч"),
    ],
)
def test_numbers_are_written_as_the_language_has_it(
    said: Callable[[], str], english: str, russian: str
) -> None:
    with speaking(Locale.ENGLISH):
        assert said() == english
    with speaking(Locale.RUSSIAN):
        assert on_one_line(said()) == russian
