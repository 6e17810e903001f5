"""Only `serve` makes a data folder, and no key where one was lost (issue 10: 2.3, 2.9)."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Run

from keyfob import boot
from keyfob.devdb.server import EmbeddedPostgres
from keyfob.settings import Settings, WrongSetting, load_settings

COMMANDS = [
    ("migrate",),
    ("users", "list"),
    ("users", "create", "ada@example.com"),
    ("keys", "list"),
    ("keys", "rotate", "--compromised"),
    ("mail", "list"),
    ("doctor",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_in_a_wrong_folder_makes_nothing_and_says_where_it_looked(
    keyfob_alone: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    refusal = keyfob_alone(*command).refusal

    assert refusal == (
        f"there is no database: KEYFOB_DATABASE_URL is not set, and none is in {tmp_path}/.keyfob "
        "(KEYFOB_DATA_DIR); only `keyfob serve` makes one. Run this where the service runs, with "
        "its settings"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [*COMMANDS, ("serve", "--port", "0")], ids=" ".join)
def test_a_data_folder_of_somebody_else_is_one_line(
    keyfob_alone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """Root may enter any folder, so the kernel's refusal of others is simulated."""
    look = Path.stat

    def refuse(path: Path, **options: Any) -> os.stat_result:
        if path.parent.name == ".keyfob":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return look(path, **options)

    (tmp_path / ".keyfob").mkdir()
    monkeypatch.setattr(Path, "stat", refuse)

    refusal = keyfob_alone(*command).refusal

    assert re.fullmatch(
        r"(KEYFOB_DATA_DIR: )?\S*\.keyfob/(postgres|secret-key): Permission denied; "
        "run this as the user who runs the service",
        refusal,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_makes_no_key_for_a_database_elsewhere(
    keyfob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.delenv("KEYFOB_SECRET_KEY")
    monkeypatch.setenv("KEYFOB_MAKE_SECRET_KEY", "yes")

    refusal = keyfob(*command).refusal

    assert refusal == (
        f"there is no secret key: KEYFOB_SECRET_KEY is not set, and none is in {tmp_path}/.keyfob/"
        "secret-key (KEYFOB_DATA_DIR); only `keyfob serve` makes one. Run this where the service "
        "runs, with its settings"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder after its first start."""
    monkeypatch.setattr(boot.database, "EmbeddedPostgres", _quick)
    folder = tmp_path / ".keyfob"
    settings = Settings(_env_file=None, data_dir=folder)  # type: ignore[call-arg] # pydantic's own
    with boot.complete(settings, founding=True) as complete:
        boot.migrate(complete)
    yield folder
    shutil.rmtree(folder)


def _quick(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder, {"fsync": "off"})


@pytest.mark.slow
@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("doctor",)], ids=" ".join)
def test_no_key_is_made_beside_a_database_that_had_one(
    keyfob_alone: Run, folder: Path, command: tuple[str, ...]
) -> None:
    key = (folder / "secret-key").read_text()
    (folder / "secret-key").unlink()

    said = keyfob_alone(*command)

    assert said.code == 1
    assert said.err.splitlines()[-1] == (
        f"keyfob: {folder}/secret-key is missing, and the database was used with the key in it: "
        "put it back, or set KEYFOB_SECRET_KEY to it. If it is lost for good, docs/runbook.md "
        "tells what can be saved"
    )
    assert not (folder / "secret-key").exists()

    (folder / "secret-key").write_text(key)
    assert keyfob_alone("users", "list").code == 0


def test_no_key_is_made_for_a_database_elsewhere_that_had_one(
    keyfob: Run, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyfob("users", "create", "root@example.com", "--role", "admin")
    keyfob("keys", "rotate")
    monkeypatch.delenv("KEYFOB_SECRET_KEY")
    monkeypatch.setenv("KEYFOB_MAKE_SECRET_KEY", "yes")

    said = keyfob("serve", "--port", "0")

    assert said.code == 1
    assert re.search(r"secret-key is missing, and the database was used with the key", said.err)
    assert not (tmp_path / ".keyfob" / "secret-key").exists()


def test_a_data_folder_that_is_none_of_ours_is_not_taken_for_one(
    keyfob_alone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("KEYFOB_DATA_DIR", "data")

    assert f"none is in {tmp_path}/data (KEYFOB_DATA_DIR)" in keyfob_alone("doctor").refusal
    assert list((tmp_path / "data").iterdir()) == []
    with pytest.raises(WrongSetting), boot.complete(load_settings()):
        pass
