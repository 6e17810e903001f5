"""A server of each major version that must work, and a copy of the checkout."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.postgres import create_empty_database

ROOT = Path(__file__).parents[2]
PG_15 = Path("/usr/lib/postgresql/15/bin")


def _unprivileged() -> dict[str, Any]:
    """Say who runs PostgreSQL, for it refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def postgres_15() -> Iterator[str]:
    """A PostgreSQL 15 with a role that is no superuser; gives the DSN of the server."""
    if not (PG_15 / "initdb").exists():
        pytest.skip(f"PostgreSQL 15 is not installed: there is no {PG_15}")
    account = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="pg15-"))  # short, for the path of a socket is

    def run(program: str, *arguments: str, stdin: str = "") -> None:
        subprocess.run(
            [PG_15 / program, *arguments],
            input=stdin,
            env={"PATH": os.defpath, "LC_ALL": "C", "PGDATA": str(folder / "data")},
            cwd=folder,
            stdout=subprocess.DEVNULL,
            text=True,
            check=True,
            **account,
        )

    if account:
        os.chown(folder, account["user"], account["group"])
    run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    run("pg_ctl", "start", "--wait", "--silent", f"--log={folder / 'log'}", f"--options={options}")
    run(
        "psql",
        f"--host={folder}",
        "--username=postgres",
        stdin="CREATE ROLE keyfob LOGIN CREATEDB; CREATE DATABASE keyfob OWNER keyfob;",
    )
    yield f"postgresql://keyfob@/keyfob?host={folder}"
    run("pg_ctl", "stop", "--mode=immediate", "--silent")
    shutil.rmtree(folder)


@pytest.fixture(params=["15", "18"])
def any_dsn(request: pytest.FixtureRequest, worker_id: str) -> str:
    """An empty database on the oldest and on the newest PostgreSQL that must work."""
    server = request.getfixturevalue("postgres_15" if request.param == "15" else "postgres")
    return create_empty_database(server, f"any_{worker_id}")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, as far as Alembic is concerned, below a name with a space."""
    copy = tmp_path_factory.mktemp("a copy") / "the project"
    copy.mkdir()
    shutil.copy(ROOT / "alembic.ini", copy)
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return copy


Alembic = Callable[..., str]


@pytest.fixture
def alembic(checkout: Path) -> Alembic:
    """Run Alembic from the project's root, as a person would."""

    def run(*arguments: str, **variables: str) -> str:
        done = run_alembic(checkout, *arguments, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def run_alembic(
    checkout: Path, *arguments: str, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run Alembic in a copy of the project, with these variables besides the shell's."""
    # Without coverage: the copy's files would count beside the originals.
    bare = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHONPATH", "COV"))
    }
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        env=bare | variables,
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
