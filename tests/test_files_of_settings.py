"""Files that name settings name only existing ones, with their defaults."""

import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from keyfob.settings import Settings, load_settings, secret_fields, variable_of

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without `.env`, and an environment without our variables."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(variable_of(name), raising=False)
    return tmp_path


def _written(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is None or default == []:
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_env_example_explains_every_setting_and_shows_its_default(name: str) -> None:
    field = Settings.model_fields[name]
    blocks = (ROOT / ".env.example").read_text().split("\n\n")

    (block,) = [block for block in blocks if f"\n#{variable_of(name)}=" in block]
    lines = block.splitlines()

    assert lines[0] == f"# {field.description}"
    assert lines[-1] == f"#{variable_of(name)}={_written(field)}"


def test_env_example_as_copied_changes_nothing_and_each_line_of_it_is_right(
    bare_environment: Path,
) -> None:
    example = (ROOT / ".env.example").read_text()
    (bare_environment / ".env").write_text(example)
    assert load_settings() == Settings(_env_file=None)  # type: ignore[call-arg] # pydantic's own

    (bare_environment / ".env").write_text(re.sub(r"(?m)^#(?=KEYFOB_)", "", example))
    assert load_settings() == Settings(_env_file=None)  # type: ignore[call-arg] # pydantic's own


def test_env_example_names_every_file_variable() -> None:
    example = (ROOT / ".env.example").read_text()

    themselves = {"KEYFOB_SMTP_TOKEN_FILE", "KEYFOB_OUTBOUND_CA_FILE"}
    named = set(re.findall(r"KEYFOB_\w+_FILE", example)) - themselves
    assert named == {f"{variable_of(name)}_FILE" for name in secret_fields()}


@pytest.mark.parametrize(
    "name", ["Dockerfile", "docker-compose.yml", "README.md", "README.ru.md", "docs/runbook.md"]
)
def test_files_name_only_settings_that_there_are(name: str) -> None:
    named = set(re.findall(r"\bKEYFOB_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_])", (ROOT / name).read_text()))

    known = {variable_of(field) for field in Settings.model_fields}
    known |= {f"{variable_of(field)}_FILE" for field in secret_fields()}
    assert named
    assert named <= known
