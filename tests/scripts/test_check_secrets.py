"""The scan for secrets finds what was planted, and knows none without a reason."""

from pathlib import Path

import pytest
from scripts.check_secrets import read_known, scan

KEY_ID = "AKIA" + "IOSFODNN7EXAMPLF"  # in two parts: the scan reads this file, too


def test_a_planted_key_is_found_and_a_password_where_it_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text(f'KEY = "{KEY_ID}"\npassword = "correct-horse"\n', encoding="utf-8")

    assert {found.type for found in scan([str(file)])} == {"AWS Access Key", "Secret Keyword"}
    assert [found.type for found in scan([str(file)], without="KeywordDetector")] == [
        "AWS Access Key"
    ]


def test_what_is_known_has_a_reason() -> None:
    entry = '[[known]]\nfile = "a"\ndigests = ["1", "2"]\nreason = '

    assert read_known(entry + '"a form"') == {("a", "1"), ("a", "2")}
    with pytest.raises(ValueError, match="reason"):
        read_known(entry + '" "')
