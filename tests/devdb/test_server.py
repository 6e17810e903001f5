"""The embedded server: it starts anywhere, is shared by processes, and survives being killed."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import keyfob
from keyfob.devdb import DevDbError, EmbeddedPostgres
from keyfob.devdb.locks import alone
from keyfob.devdb.postmaster import Postmaster

FAST = {"fsync": "off", "shared_buffers": "16MB"}


def ask(dsn: str, *statements: str) -> Any:
    """Run the statements and return the value of the last one."""

    async def run() -> Any:
        connection = await asyncpg.connect(dsn)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose cluster is made, holds one row, and is stopped."""
    folder = tmp_path_factory.mktemp("made") / "data folder"
    server = EmbeddedPostgres(folder, FAST)
    ask(server.start(), "CREATE TABLE kept AS SELECT 42 AS answer", "SELECT 1")
    server.stop()
    return folder


@pytest.fixture
def data_dir(made: Path) -> Iterator[Path]:
    """The data folder; each test leaves it unchanged, and a running server is stopped."""
    yield made
    last = EmbeddedPostgres(made, FAST)
    if last.is_running():
        last.start()
        last.stop()


def test_data_outlive_a_restart(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, FAST)
    assert not server.is_running()
    dsn = server.start()
    assert dsn == server.dsn
    assert server.start() == dsn
    assert server.is_running()
    assert ask(dsn, "SELECT answer FROM kept") == 42
    server.stop()
    assert not server.is_running()
    server.stop()


def test_the_service_is_no_superuser_and_the_server_is_closed_to_others(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, FAST)
    dsn = server.start()
    assert ask(dsn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    assert ask(dsn, "SHOW listen_addresses") == ""
    assert ask(dsn, "SHOW server_encoding") == "UTF8"
    assert ask(dsn, "SELECT lower('ПОЧТА')") == "почта"
    assert data_dir.stat().st_mode & 0o077 == 0
    assert (data_dir / "postgres").stat().st_mode & 0o077 == 0
    server.stop()


def test_a_statement_that_fails_leaves_no_values_in_the_log(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, FAST)
    dsn = server.start()
    with pytest.raises(asyncpg.UniqueViolationError):
        ask(
            dsn,
            "CREATE TEMPORARY TABLE people (email text PRIMARY KEY)",
            "INSERT INTO people VALUES ('ann@example.com'), ('ann@example.com')",
        )
    server.stop()
    said = (data_dir / "postgres.log").read_text()
    assert "duplicate key value" in said
    assert "ann@example.com" not in said


@pytest.mark.parametrize("name", ["deep/" * 30 + "end", "a, b"])
def test_a_path_that_no_client_could_use_gets_a_short_name(data_dir: Path, name: str) -> None:
    folder = data_dir.parent / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    data_dir.rename(folder)
    server = EmbeddedPostgres(folder, FAST)
    dsn = server.start()
    beside = EmbeddedPostgres(folder, FAST)
    assert ask(dsn, "SELECT answer FROM kept") == 42
    assert ask(beside.start(), "SELECT answer FROM kept") == 42
    short = dsn.partition("host=")[2].partition("&")[0]
    assert Path(short).samefile(folder / "postgres")
    server.stop()
    beside.stop()
    assert not beside.is_running()
    del server
    assert not Path(short).parent.exists()
    folder.rename(data_dir)


def test_the_last_to_leave_stops_it(data_dir: Path) -> None:
    serve, users = EmbeddedPostgres(data_dir, FAST), EmbeddedPostgres(data_dir, FAST)
    serve.start()
    pid = postmaster(data_dir)
    users.start()
    users.stop()
    assert serve.is_running()
    users.start()
    serve.stop()
    assert users.is_running()
    assert postmaster(data_dir) == pid
    users.stop()
    assert not users.is_running()


def test_two_that_start_at_once_share_one(data_dir: Path) -> None:
    servers = [EmbeddedPostgres(data_dir, FAST) for _ in range(3)]
    with ThreadPoolExecutor(len(servers)) as threads:
        dsns = set(threads.map(EmbeddedPostgres.start, servers))
        assert {ask(dsn, "SELECT answer FROM kept") for dsn in dsns} == {42}
        list(threads.map(EmbeddedPostgres.stop, servers))
    assert not servers[0].is_running()


def test_a_server_left_by_a_killed_process_is_taken_over(data_dir: Path) -> None:
    story = (
        "import os, sys, pathlib; from keyfob.devdb import EmbeddedPostgres;"
        "EmbeddedPostgres(pathlib.Path(sys.argv[1]), {'fsync': 'off'}).start();"
        "os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(keyfob.__file__).parents[1])}
    killed = subprocess.run([sys.executable, "-c", story, data_dir], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    pid = postmaster(data_dir)
    heir = EmbeddedPostgres(data_dir, FAST)
    assert ask(heir.start(), "SELECT answer FROM kept") == 42
    assert postmaster(data_dir) == pid
    heir.stop()
    assert not heir.is_running()


def test_a_killed_server_starts_again_with_what_was_committed(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, FAST)
    ask(server.start(), "INSERT INTO kept VALUES (43)", "SELECT 1")
    pid = postmaster(data_dir)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not server.is_running()
    assert ask(server.start(), "SELECT max(answer) FROM kept") == 43
    server.stop()


def test_a_start_waits_for_a_session_that_outlives_a_killed_server(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, FAST)
    dsn = server.start()
    pid = postmaster(data_dir)

    async def stop_a_session_and_kill_the_server() -> int:
        connection = await asyncpg.connect(dsn)
        session: int = await connection.fetchval("SELECT pg_backend_pid()")
        os.kill(session, signal.SIGSTOP)
        os.kill(pid, signal.SIGKILL)
        connection.terminate()
        return session

    session = asyncio.run(stop_a_session_and_kill_the_server())
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    log = data_dir / "postgres.log"
    log.write_bytes(b"")

    def let_it_end() -> None:
        while b"is still in use" not in log.read_bytes():
            time.sleep(0.01)
        os.kill(session, signal.SIGCONT)

    with ThreadPoolExecutor() as beside:
        met = beside.submit(let_it_end)
        assert ask(server.start(), "SELECT answer FROM kept") == 42
    assert met.exception() is None
    server.stop()


def test_a_start_that_is_interrupted_leaves_no_server(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedPostgres(data_dir, FAST)

    begun: list[int] = []

    def press_ctrl_c(starting: Postmaster) -> bool:
        if pid := starting.pid():
            begun.append(pid)
            raise KeyboardInterrupt
        return False

    with monkeypatch.context() as pressed:
        pressed.setattr(Postmaster, "is_ready", press_ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            server.start()
    with pytest.raises(ProcessLookupError):
        os.kill(begun[0], 0)
    assert ask(server.start(), "SELECT answer FROM kept") == 42
    server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_cluster_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    os.chown(tmp_path, 4242, 4242)
    with pytest.raises(DevDbError, match="initdb failed") as fault:
        EmbeddedPostgres(tmp_path, FAST).start()
    assert "could not look up effective user ID 4242" in str(fault.value)
    assert not (tmp_path / "postgres").exists()


def test_a_pid_and_a_socket_of_other_processes_do_no_harm(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedPostgres(data_dir, FAST)
    server.start()
    record = data_dir / "postgres" / "postmaster.pid"
    stale = record.read_bytes()
    server.stop()
    bystander = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    record.write_bytes(stale.replace(stale.split(b"\n")[0], str(bystander.pid).encode(), 1))
    monkeypatch.chdir(data_dir / "postgres")  # a bound path must be short
    with socket.socket(socket.AF_UNIX) as not_the_server:
        not_the_server.bind(".s.PGSQL.5432")
        not_the_server.listen()
        assert not server.is_running()
        assert ask(server.start(), "SELECT answer FROM kept") == 42
    server.stop()
    assert bystander.poll() is None
    bystander.communicate()


def test_a_start_that_was_cut_off_leaves_no_half_cluster(tmp_path: Path) -> None:
    half = tmp_path / "data" / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(tmp_path / "data", FAST)
    assert ask(server.start(), "SELECT 1") == 1
    assert not half.exists()
    server.stop()


def test_a_failure_tells_what_the_log_says(data_dir: Path) -> None:
    broken = EmbeddedPostgres(data_dir, {"shared_buffers": "plenty"})
    with pytest.raises(DevDbError, match=r"postgres\.log ends:") as fault:
        broken.start()
    assert 'invalid value for parameter "shared_buffers": "plenty"' in str(fault.value)
    broken.stop()
    version = data_dir / "postgres" / "PG_VERSION"
    good = version.read_text()
    version.write_text("9.6\n")
    with pytest.raises(DevDbError, match=r"initialized by PostgreSQL version 9\.6"):
        EmbeddedPostgres(data_dir, FAST).start()
    version.write_text(good)


def test_a_data_folder_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DevDbError, match="file: File exists"):
        EmbeddedPostgres(tmp_path / "file").start()


def test_a_log_that_grew_too_long_begins_anew(data_dir: Path) -> None:
    before = (data_dir / "postgres.log").read_text()
    server = EmbeddedPostgres(data_dir, FAST, longest_log=100)
    server.start()
    server.stop()
    assert before not in (data_dir / "postgres.log").read_text()


def test_a_second_start_waits_for_the_first_only_so_long(data_dir: Path) -> None:
    with alone(data_dir / ".postgres.lock", 0), pytest.raises(DevDbError, match="another process"):
        EmbeddedPostgres(data_dir, FAST, patience=0.0).start()


def test_a_server_that_ignores_requests_is_stopped_harder(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, FAST)
    server.start()
    cluster = data_dir / "postgres"
    Postmaster(cluster, cluster).stop(((signal.SIGWINCH, 0.0), (signal.SIGQUIT, 5.0)))
    assert not server.is_running()
    server.stop()
