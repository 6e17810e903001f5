"""Whatever ends a service or a command from outside, no PostgreSQL is left running."""

import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.journeys.conftest import SOURCE, wait_until

from keyfob.core.stopping import ENDING

pytestmark = pytest.mark.slow

CHECKOUT = SOURCE.parent

_SERVE = [sys.executable, "-m", "keyfob.cli", "serve", "--port", "0"]

# As a shell starts a program: as the leader of a session that has a terminal of its own.
_ON_A_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execvp(sys.argv[1], sys.argv[1:])"
)

# A command in the middle of its work, with the embedded database running.
_IN_THE_MIDDLE = """
import pathlib, sys, time
from keyfob import boot
from keyfob.cli import main

async def linger(_):
    pathlib.Path("in-the-middle").touch()
    time.sleep(60)

boot.open_keys = linger
sys.argv[1:] = ["users", "list"]
main()
"""

# A command that starts the database and leaves it again. A signal comes at one moment: as a
# function, called by another, begins or returns.
_AT_A_MOMENT = """
import signal, sys
from keyfob.boot import complete
from keyfob.core.stopping import end_in_order
from keyfob.settings import load_settings

number, moment = int(sys.argv[1]), sys.argv[2:]

def watch(frame, event, _):
    caller = frame.f_back.f_code.co_name if frame.f_back else ""
    if [caller, frame.f_code.co_name, event] == moment:
        signal.raise_signal(number)
    return watch

end_in_order()
settings = load_settings()
sys.settrace(watch)
with complete(settings, founding=True):
    pass
"""


def environment(folder: Path) -> dict[str, str]:
    bare = {name: os.environ[name] for name in os.environ if not name.startswith("KEYFOB_")}
    given = {"PYTHONPATH": str(SOURCE), "KEYFOB_BCRYPT_COST": "4", "KEYFOB_METRICS": "off"}
    return bare | given | {"KEYFOB_DATA_DIR": str(folder / ".keyfob")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: each test finds the database at rest, and leaves it so."""
    return tmp_path_factory.mktemp("hang-up")


def servers(folder: Path) -> list[psutil.Process]:
    """The PostgreSQL servers of a data folder."""
    cluster = str(folder / ".keyfob" / "postgres")
    return [one for one in psutil.process_iter(["cwd"]) if one.info["cwd"] == cluster]


def leaves_none(folder: Path) -> bool:
    """Tell whether no server is left; one that is just ending does not count."""
    return not psutil.wait_procs(servers(folder), timeout=5)[1]


def serve_on_a_terminal(
    folder: Path, *command: str, where: Path | None = None
) -> tuple["subprocess.Popen[bytes]", int]:
    """Start a command that serves, and wait until it does; return it and its terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _ON_A_TERMINAL, *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=where or folder,
        env=environment(folder),
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    until = time.monotonic() + 60
    while b"Keyfob serves on" not in said:
        assert time.monotonic() < until, said
        try:
            said += os.read(ours, 4096)
        except OSError:  # it has ended
            raise AssertionError(said) from None
    return process, ours


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one", "two"])
def test_a_terminal_that_closes_stops_the_service_and_its_database(
    folder: Path, options: tuple[str, ...]
) -> None:
    process, terminal = serve_on_a_terminal(folder, *_SERVE, *options)
    assert servers(folder)

    os.close(terminal)

    assert process.wait(timeout=40) == 0
    assert leaves_none(folder)


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
@pytest.mark.skipif(not (CHECKOUT / ".venv").exists(), reason="there is no .venv to run it in")
def test_a_terminal_that_closes_on_make_run(folder: Path) -> None:
    process, terminal = serve_on_a_terminal(
        folder, "sh", "-c", "make run ARGS='--port 0'; true", where=CHECKOUT
    )
    assert servers(folder)

    os.close(terminal)

    process.wait(timeout=40)
    wait_until(lambda: not servers(folder))


def insist(process: "subprocess.Popen[bytes]", number: int) -> int:
    """Send a signal again and again until the process has ended; return its exit code."""
    until = time.monotonic() + 40
    while process.poll() is None:
        assert time.monotonic() < until
        process.send_signal(number)
        time.sleep(0.01)
    return process.returncode


def test_whoever_insists_gets_no_orphan(folder: Path) -> None:
    for number, workers in ((signal.SIGHUP, 1), (signal.SIGHUP, 2), (signal.SIGINT, 2)):
        process, terminal = serve_on_a_terminal(folder, *_SERVE, "--workers", str(workers))
        assert insist(process, number) == 0
        os.close(terminal)
        assert leaves_none(folder), (number, workers)


@pytest.mark.parametrize("number", ENDING)
def test_whoever_insists_during_the_start_gets_no_orphan(folder: Path, number: int) -> None:
    process = subprocess.Popen(_SERVE, cwd=folder, env=environment(folder))
    wait_until((folder / ".keyfob" / "postgres" / "postmaster.pid").exists)

    assert insist(process, number) == 0
    assert leaves_none(folder)


@pytest.mark.parametrize(
    "moment",
    [
        "_launch_once start return",  # it has begun, and is not noted yet
        "_launch launch return",
        "start __exit__ call",  # the lock is about to be released
        "database_of start return",
        "database_of stop call",
        "__enter__ undisturbed call",
    ],
)
def test_a_signal_at_an_unlucky_moment_leaves_no_orphan(folder: Path, moment: str) -> None:
    arguments = [str(int(signal.SIGTERM)), *moment.split()]

    done = subprocess.run(
        [sys.executable, "-c", _AT_A_MOMENT, *arguments],
        cwd=folder,
        env=environment(folder),
        timeout=40,
        check=False,
    )

    assert done.returncode == 128 + signal.SIGTERM
    assert leaves_none(folder)


def test_a_command_that_is_ended_leaves_no_database_behind(folder: Path) -> None:
    process, terminal = serve_on_a_terminal(folder, *_SERVE)
    process.terminate()
    process.wait(timeout=40)
    os.close(terminal)

    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        command = subprocess.Popen(
            [sys.executable, "-c", _IN_THE_MIDDLE], cwd=folder, env=environment(folder)
        )
        wait_until((folder / "in-the-middle").exists)
        (folder / "in-the-middle").unlink()
        assert servers(folder)

        assert insist(command, number) == 128 + number
        assert leaves_none(folder), number
