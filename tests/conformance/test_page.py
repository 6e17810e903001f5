"""The page about the OpenID suite tells what is kept, and nothing that is kept has failed."""

import json
from pathlib import Path

import pytest
from conformance.page import RESULTS, load, name_of, page, save
from conformance.plans import PLANS
from conformance.remarks import EXPLAINED, SKIPPED
from conformance.suite import Verdict

PAGE = Path("docs/conformance.md")


def test_the_page_is_what_the_results_say() -> None:
    assert PAGE.read_text() == page(load(RESULTS)), "write it anew: python -m conformance --page"


@pytest.mark.parametrize("name", PLANS)
def test_no_module_of_a_plan_has_failed_and_each_warning_is_explained(name: str) -> None:
    modules = load(RESULTS)[name]["modules"]

    assert len(modules) == PLANS[name].modules
    assert [one for one in modules if one["result"] in {"FAILED", "INTERRUPTED"}] == []
    remarks = [remark.partition(": ")[0] for one in modules for remark in one["remarks"]]
    assert set(remarks) <= set(EXPLAINED)
    assert {name_of(one) for one in modules if one["result"] == "SKIPPED"} <= set(SKIPPED)


def test_what_is_kept_is_replaced_plan_by_plan(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    passed, failed = (Verdict("discovery", result, ()) for result in ("PASSED", "FAILED"))

    save(kept, "config", [failed])
    save(kept, "basic", [passed])
    save(kept, "config", [passed, passed])

    assert {name: len(of["modules"]) for name, of in json.loads(kept.read_text()).items()} == {
        "config": 2,
        "basic": 1,
    }
    assert "| Config OP | 2 | 2 |" in page(load(kept))


def test_an_unexplained_remark_says_what_the_suite_said(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    save(kept, "config", [Verdict("discovery", "WARNING", ("CheckNothing: Nothing was found",))])

    assert "`CheckNothing`: Nothing was found" in page(load(kept))
