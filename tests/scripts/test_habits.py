"""Configurations of editors, pre-commit and the project page match the code."""

import re
import shlex
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def hooks() -> list[dict[str, Any]]:
    (local,) = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert local["repo"] == "local"
    found: list[dict[str, Any]] = local["hooks"]
    return found


def tracked() -> list[Path]:
    ask = ["git", "ls-files", "-z"]
    listed = subprocess.run(ask, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not in a checkout: what git knows cannot be asked")
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return [path for path in paths if path.is_file()]


def texts() -> dict[str, str]:
    """Return the tracked files that hold text, by name."""
    files = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in tracked()}
    return {name: data.decode() for name, data in files.items() if b"\0" not in data}


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: str(hook["id"]))
def test_each_hook_runs_what_is_installed_here_as_make_check_does(hook: dict[str, Any]) -> None:
    python, *words = shlex.split(hook["entry"])
    what = words[1] if words[0] == "-m" else words[0]

    assert (python, hook["language"]) == (".venv/bin/python", "system")
    assert find_spec(what) if words[0] == "-m" else (ROOT / what).is_file()
    assert re.search(rf"^\t\$\(PY\) (-m )?{re.escape(what)}\b", read("Makefile"), re.MULTILINE)


def test_every_file_is_written_as_editors_are_told() -> None:
    rules = ConfigParser()
    rules.read_string("[top]\n" + read(".editorconfig"))
    wanted = ("charset", "end_of_line", "insert_final_newline", "trim_trailing_whitespace")
    exempt = {name for name in rules if rules[name].get(wanted[3]) == "false"}
    found = texts()

    assert [rules["*"][rule] for rule in wanted] == ["utf-8", "lf", "true", "true"]
    assert len(found) > 500
    assert [name for name, text in found.items() if "\r" in text] == []
    assert [name for name, text in found.items() if text and text[-1] != "\n"] == []
    trailing = [name for name, text in found.items() if re.search(r"[ \t]$", text, re.MULTILINE)]
    assert [name for name in trailing if Path(name).name not in exempt] == []
    assert rules["*.py"]["max_line_length"] == str(
        tomllib.loads(read("pyproject.toml"))["tool"]["ruff"]["line-length"]
    )


def test_a_misspelt_word_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("Reci" + "eve it.\n")
    check = [sys.executable, "-m", "codespell_lib", "--toml", ROOT / "pyproject.toml", "."]

    ran = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert ran.returncode != 0
    assert "==> Receive" in ran.stdout


def test_each_word_that_may_be_spelt_so_has_its_reason() -> None:
    words = re.search(
        r"^ignore-words-list = \[\n(.*?)^\]", read("pyproject.toml"), re.MULTILINE | re.DOTALL
    )
    assert words
    silent = [line for line in words[1].splitlines() if not re.search(r'^ +"\w+", +# \S', line)]
    tag = "codespell:" + "ignore"
    here = [line for text in texts().values() for line in text.splitlines() if tag in line]

    assert silent == []
    assert [line for line in here if not re.search(rf"{tag} \w+ - \S", line)] == []


def test_the_form_of_an_issue_asks_for_what_there_is() -> None:
    form = yaml.safe_load(read(".github/ISSUE_TEMPLATE/report.yml"))
    kinds = [part["type"] for part in form["body"]]
    ids = [part["id"] for part in form["body"] if "id" in part]

    assert form["name"]
    assert form["description"]
    assert set(kinds) <= {"markdown", "textarea", "input", "dropdown", "checkboxes"}
    assert len(ids) == len(set(ids)) == len(kinds) - 1
    assert "SECURITY.md" in form["body"][0]["attributes"]["value"]


@pytest.mark.parametrize(
    "name", [".github/ISSUE_TEMPLATE/report.yml", ".github/pull_request_template.md"]
)
def test_what_the_forms_name_is_there(name: str) -> None:
    quoted = re.findall(r"`([^`]+)`", read(name))
    targets = [words.removeprefix("make ") for words in quoted if words.startswith("make ")]
    paths = [words for words in quoted if re.fullmatch(r"[\w./]+\.md|docs/\w+", words)]

    assert [each for each in targets if f"\n{each}:" not in read("Makefile")] == []
    assert [each for each in paths if not (ROOT / each).exists()] == []
