"""Each kind of outage is logged once a minute (issue 10: 2.4)."""

from tests.fixtures.logs import captured_log

from keyfob.core.outages import Outages
from keyfob.core.problems import DatabaseUnavailable, Overloaded, Unavailable


def caused(problem: Unavailable, cause: BaseException | None) -> Unavailable:
    problem.__cause__ = cause
    return problem


def test_each_kind_once_a_minute() -> None:
    time = [0.0]
    outages = Outages(lambda: time[0])
    with captured_log() as log:
        for time[0] in (0.0, 1.0, 59.0):
            outages.tell_problem(caused(DatabaseUnavailable(), OSError("refused")))
            outages.tell_problem(caused(DatabaseUnavailable(), TimeoutError("no answer")))
            outages.tell_problem(Overloaded())
            outages.tell_part("writes", TimeoutError())
        assert [(told["event"], told["cause"]) for told in log.events] == [
            ("unavailable", "The database does not answer; try again soon (refused)"),
            ("unavailable", "The database does not answer; try again soon (no answer)"),
            ("unavailable", "Too many sign-ins at once; try again soon"),
            ("not_ready", "TimeoutError()"),
        ]

        time[0] = 60.0
        outages.tell_problem(caused(DatabaseUnavailable(), OSError("still refused")))
        assert log.events[-1]["cause"].endswith("(still refused)")
        assert len(log.events) == 5


def test_the_kinds_that_are_remembered_are_bounded() -> None:
    time = [0.0]
    outages = Outages(lambda: time[0])
    with captured_log() as log:
        for number in range(1000):
            outages.tell_part(f"part {number}", "away")
        assert len(log.events) == 200

        # Those that are known are told of again all the same.
        time[0] = 60.0
        for number in range(1000):
            outages.tell_part(f"part {number}", "away")
        assert [told["part"] for told in log.events[200:]] == [f"part {n}" for n in range(200)]
