"""The committed page matches the committed results, so that no figure drifts."""

import json
from pathlib import Path

import pytest
from bench.harness import results
from bench.harness.figures import Report
from bench.harness.results import Document
from bench.report import page
from bench.report.series import all_plots

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / results.COMMITTED
PLOTS = ROOT / "docs/benchmarks"


def test_the_committed_page_is_written_from_the_committed_results() -> None:
    written = page.write(results.read_all(COMMITTED))

    assert (ROOT / "docs/benchmarks.md").read_text() == written, "make bench-report"


def test_the_committed_plots_are_drawn_from_the_committed_results() -> None:
    expected = {
        f"{plot.name}-{theme}.svg": plot.digest
        for plot in all_plots(results.read_all(COMMITTED))
        for theme in ("light", "dark")
    }

    assert {path.name for path in PLOTS.glob("*.svg")} == set(expected), "make bench-report"
    for name, digest in expected.items():
        assert f"data {digest}" in (PLOTS / name).read_text(), f"{name}: make bench-report"


def document(report: Report, **changes: object) -> Document:
    about: dict[str, object] = {
        "scene": "field_refresh",
        "about": "",
        "command": "make bench-full",
        "at": "2026-01-01 00:00 UTC",
        "rounds": 5,
        "seconds": 3.0,
        "took_seconds": 1,
        "load_before": 0.1,
        "machine": {
            "cores": 2,
            "cpu": "some",
            "memory_gb": 1.0,
            "kernel": "6",
            "python": "3.11",
            "postgresql": "18",
            "packages": {},
            "commit": "abc",
        },
    }
    return Document.of(report, **{**about, **changes})


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Report:
    report = Report()
    report.add("a / b", [0.5, 1.0, 2.0], 0.7, "of | two", at_most=False)
    for side, rates in (("Keyfob", [100, 200]), ("other", [50, 40]), ("limit: x", [400, 400])):
        report.figure("refresh", side, "rate", "/s", rates, at=8)
    report.without("absentee", "not on this machine")
    return report


def test_a_document_reads_back_as_it_was_written(report: Report, tmp_path: Path) -> None:
    written = document(report)
    written.write(tmp_path)

    assert results.read_all(tmp_path) == {"field_refresh": written}
    held = json.loads((tmp_path / "field_refresh.json").read_text())
    assert (held["lines"][0]["median"], held["lines"][0]["holds"]) == (1.0, True)


def test_a_scene_measured_again_replaces_only_its_own_document(
    report: Report, tmp_path: Path
) -> None:
    document(report).write(tmp_path)
    document(report, scene="workers").write(tmp_path)
    document(Report()).write(tmp_path)

    kept = results.read_all(tmp_path)
    assert [len(kept[scene].lines) for scene in ("field_refresh", "workers")] == [0, 1]


def test_the_page_tells_medians_ratios_bounds_and_who_is_absent(report: Report) -> None:
    written = page.write({"field_refresh": document(report)})

    assert "| a / b | holds | **1.00** | 0.500 to 2.00 | ≥ 0.7 | of \\| two |" in written
    assert "| **Keyfob** | 1.00 | 150 |" in written
    assert "| other | 0.350 | 45.0 |" in written, "the median of 0.5 and 0.2, round by round"
    assert "| absentee | not on this machine |" in written
    assert written.index("**Keyfob**") < written.index("| other") < written.index("| limit: x")
    assert "trial" not in written


def test_the_page_says_when_a_run_was_only_a_trial(report: Report) -> None:
    written = page.write({"field_refresh": document(report, rounds=1, seconds=0.5)})

    assert "**A trial run.**" in written
    assert "`field_refresh` (1 x 0.5 s)" in written


def test_the_page_tells_of_a_storm_in_the_field(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    sides = {"slow": ("me", 9000.0, 40.0), "slower": ("refresh", 9900.0, 20.0)}
    for side, (works, worst, accepted) in {"Keyfob": ("refresh", 20.0, 50.0), **sides}.items():
        report.sides[side] = {"works in the storm": works}
        for table, p99 in (("field, calm", 5.0), ("field, storm", worst)):
            report.figure(table, side, "rate", "/s", [1000 / p99])
            report.figure(table, side, "latency", "ms", [p99 / 2], at=50)
            report.figure(table, side, "latency", "ms", [p99], at=99)
        report.figure("field, logins", side, "accepted", "%", [accepted])
    stormed = document(report, scene="field_storm")

    written = page.write({"field_storm": stormed})
    (plot,) = all_plots({"field_storm": stormed})

    assert "| **Keyfob** | 200 | 50.0 | 2.50 | 10.0 | 5.00 | 20.0 |" in written
    assert "|  | accepted, % |" in written
    assert "(slow: session checks, for want of refreshes)" in written
    assert written.index("| slow |") < written.index("| slower |"), "by their worst"
    assert [(series.label, series.role, series.y) for series in plot.series] == [
        ("Keyfob", "ours", (10.0, 20.0)),
        ("slow", "peer", (4500.0, 9000.0)),
        ("slower", "peer", (4950.0, 9900.0)),
    ]


def test_the_page_tells_of_lists_in_the_field_at_each_size(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = Report()
    report.sides["other"] = {"note on search": "reads them all"}
    for size, seen in (("10,000", 1.0), ("100,000", 2.0)):
        for side, times in (("Keyfob", 1), ("other", 30)):
            for measure in ("p50", "p99", "database CPU"):
                report.figure(f"search, {size} users", side, measure, "ms", [seen * times], at=1)

    written = page.write({"field_lists": document(report, scene="field_lists")})

    assert "### Search" in written
    assert "### First page" not in written
    assert "| **Keyfob** | 1.00 | 1.00 | 1.00 | 2.00 | 2.00 | 2.00 |" in written
    assert "| other | 30.0 | 30.0 | 30.0 | 60.0 | 60.0 | 60.0 |" in written
    assert "- other: reads them all" in written


def test_the_page_tells_of_pages_and_of_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    pages, console = Report(), Report()
    pages.figure("pages", "sign-in", "server CPU", "ms", [0.5, 0.7])
    pages.figure("pages", "list of 25 users", "bytes", "kB", [9.3])
    console.figure("console", "nobody: blocked", "time", "ms", [4.0, 6.0])
    console.figure("console", "refresh in calm", "p99", "ms", [2.0])
    documents = {
        "pages": document(pages, scene="pages"),
        "console": document(console, scene="console"),
    }

    written = page.write(documents)

    assert "| sign-in | 0.600 | - |" in written
    assert "| list of 25 users | - | 9.30 |" in written
    assert "| nobody: blocked | 5.00 |" in written
    assert "refresh in calm" not in written


def test_who_is_absent_names_no_folder_of_the_machine() -> None:
    report = Report()

    report.without("one", "ImportError: no 'x' from 'y' (/home/ada/keyfob/bench/steps.py)")
    report.without("other", "http://127.0.0.1:1/token answered 500 within 3/4 s")

    assert report.absent == {
        "one": "ImportError: no 'x' from 'y' (steps.py)",
        "other": "http://127.0.0.1:1/token answered 500 within 3/4 s",
    }
