"""Each shell block of the documents is run by a test, or says beside it why it is not."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The headings whose blocks are run as they stand, and by what; none: the whole page.
RUN = {
    "README.md": ("A first session", "tests/journeys/test_newcomer.py"),
    "README.ru.md": ("Первый сеанс", "tests/journeys/test_newcomer.py"),
    "docs/account.md": (None, "tests/journeys/test_whole_life.py"),
    "docs/backup.md": (None, "tests/journeys/test_backup.py"),
    "docs/runbook.md": ("", ""),
}


@pytest.mark.parametrize("name", RUN)
def test_each_shell_block_is_run_or_says_why_not(name: str) -> None:
    heading, runner = RUN[name]
    parts = re.split(r"^## (.+)$", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE)
    sections = [("", parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]

    unsaid = [
        block
        for title, text in sections
        if heading is not None and title != heading
        for before, block in re.findall(r"^(.*)\n```(?:sh|bash|shell)\n(.+)$", text, re.MULTILINE)
        if not re.fullmatch("<!-- not run: .+ -->", before)
    ]

    assert unsaid == []
    assert not runner or Path(name).name in (ROOT / runner).read_text("utf-8")
