"""The page that tells of all topologies, and what it computes. They run in `make drill-scaling`."""

from dataclasses import replace
from pathlib import Path

import pytest
from drills.harness.outcome import load
from drills.scaling.capacity import USERS, Costs, Use, need_of
from drills.scaling.page import PAGE, RESULTS, written
from drills.scaling.programs import NotInstalled, adapted, find
from drills.scaling.statements import unlisted

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COSTS = Costs(
    {"login": 200.0, "refresh": 0.5, "me": 0.1},
    {"login": 2.0, "refresh": 0.25, "me": 0.0},
    {"user": 1000.0, "session": 500.0, "login event": 250.0},
)
PLAIN = Use(
    logins_a_day=1.0,
    online_at_peak=0.3,
    peak_factor=2.0,
    refresh_seconds=300.0,
    asks_a_refresh=4.0,
    sessions_a_user=2.0,
    log_days=10.0,
    load_at_peak=0.5,
)


def test_the_committed_page_is_written_from_the_committed_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    page = PAGE.read_text()

    assert page == written(page, load(RESULTS)), "python -m drills.scaling.page"


def test_a_page_without_a_part_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = PAGE.read_text().replace("<!-- capacity -->", "")

    with pytest.raises(LookupError, match="0 parts named capacity"):
        written(page, load(RESULTS))


def test_each_statement_of_sessions_and_the_login_log_has_its_shards_counted() -> None:
    assert unlisted() == []


def test_a_program_that_is_not_there_is_told_with_its_package() -> None:
    with pytest.raises(NotInstalled, match="apt-get install some-package"):
        find("no-such-program", "some-package")


def test_an_example_that_changed_is_told() -> None:
    with pytest.raises(LookupError, match="no 'nothing of the kind'"):
        adapted("haproxy.cfg", {"nothing of the kind": ""})


def test_what_so_many_users_need() -> None:
    need = need_of(86_400, PLAIN, COSTS)

    assert need.logins == pytest.approx(2.0)
    assert need.refreshes == pytest.approx(86.4)
    assert need.asks == pytest.approx(345.6)
    assert need.server_cores == pytest.approx(2 * (0.4 + 0.0432 + 0.03456))
    assert need.database_cores == pytest.approx(2 * (0.004 + 0.0216))
    assert need.disk == pytest.approx(86_400 * (1000 + 2 * 500 + 10 * 250))


def test_more_users_and_more_use_need_more() -> None:
    cores = [need_of(users, PLAIN, COSTS).server_cores for users in USERS]
    busier = need_of(USERS[0], replace(PLAIN, logins_a_day=2.0), COSTS)

    assert cores == sorted(cores)
    assert busier.server_cores > cores[0]
