"""The check of the checklist finds each kind of error."""

from pathlib import Path

import pytest
from scripts.check_asvs import Row, counts, exists, faults, main, read_rows, required

from scripts import check_asvs

THIS = Path(__file__).relative_to(Path.cwd()).as_posix()
EVIDENCE = f"`{THIS}::test_a_list_without_a_fault_passes`"


def rows_with(**changes: str) -> list[Row]:
    """Return a row for each requirement, the first of them changed."""
    good = [Row(number, "1", "Be well", "met", EVIDENCE) for number in required()]
    return [good[0]._replace(**changes), *good[1:]]


def test_a_list_without_a_fault_passes() -> None:
    assert len(rows_with()) == 293
    assert list(faults(rows_with())) == []


def test_a_requirement_that_is_missing_doubled_or_unknown_is_named() -> None:
    rows = rows_with()

    assert list(faults(rows[1:])) == ["1.1.1 is missing"]
    assert list(faults([*rows, rows[0]])) == ["1.1.1 stands there 2 times"]
    assert list(faults([*rows, rows[0]._replace(id="5.1.1")])) == ["5.1.1 is not in the list"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"level": "4"}, "1.1.1: '4' is no level"),
        ({"status": "fine"}, "1.1.1: 'fine' is no status"),
        ({"status": "met mostly"}, "1.1.1: what follows 'met' belongs into the evidence"),
        ({"status": "not met: "}, "1.1.1: 'not met' should say why"),
        ({"status": "waits for"}, "1.1.1: 'waits for' should say why"),
        ({"status": "does not apply because "}, "1.1.1: 'does not apply' should say why"),
        ({"evidence": "we are sure"}, "1.1.1: 'met' needs evidence"),
        ({"evidence": "`docs/none.md`"}, "1.1.1: there is no docs/none.md"),
        ({"evidence": "`SECURITY.md#peace`"}, "1.1.1: there is no SECURITY.md#peace"),
        ({"evidence": f"`{THIS}::test_none`"}, f"1.1.1: there is no {THIS}::test_none"),
    ],
)
def test_a_row_that_does_not_hold_is_named(changes: dict[str, str], fault: str) -> None:
    assert list(faults(rows_with(**changes))) == [fault]


def test_evidence_is_a_test_a_section_or_a_file() -> None:
    assert exists(f"{THIS}::test_a_list_without_a_fault_passes")
    assert exists("tests/test_contract.py::TestEachCall::test_its_answer_is_the_contract_s")
    assert exists("README.md#the-command-line")
    assert exists("Dockerfile")
    assert not exists(f"{THIS}::rows_with")
    assert not exists("tests/test_contract.py::test_its_answer_is_the_contract_s")
    assert not exists("tests/none.py::test_none")


def test_counts_that_are_off_are_told_and_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "asvs.md"
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows_with(level="3"))
    page.write_text(f"<!-- counts -->\n| met | 1 |\n<!-- /counts -->\n{table}", encoding="utf-8")
    monkeypatch.setattr(check_asvs, "PAGE", page)

    assert main() == 1
    assert "the counts are not those of the tables" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["check_asvs.py", "--write"])
    assert main() == 0
    written = page.read_text(encoding="utf-8")
    assert "| met | 292 | 0 | 1 | 293 |" in written
    assert counts(read_rows(written)) in written


def test_a_line_with_a_cell_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.1\.1 should have 5 cells"):
        read_rows("| 1.1.1 | 2 | Be well | met |\n")
