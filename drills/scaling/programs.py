"""Programs of others, from the system's packages: started in a folder, stopped by their id."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.harness.cluster import HOST

EXAMPLES = Path(__file__).parents[2] / "docs" / "scaling"

_START_SECONDS = 10.0
_MORE_PATHS = ("/usr/sbin", "/usr/local/sbin", "/usr/lib/postgresql/bin")


class NotInstalled(Exception):
    """The program is not on this machine; the message names it and its Debian package."""

    def __init__(self, name: str, package: str) -> None:
        super().__init__(f"{name} is not installed (Debian: apt-get install {package})")


def find(name: str, package: str) -> str:
    """Return the path of a program.

    Raises:
        NotInstalled: there is none.
    """
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *_MORE_PATHS]))
    if found is None:
        raise NotInstalled(name, package)
    return found


def adapted(example: str, changes: Mapping[str, str]) -> str:
    """Return an example of docs/scaling with some of its texts changed, each of which it must have.

    Raises:
        LookupError: a text to be changed is not there, so the example is no longer the one meant.
    """
    text = (EXAMPLES / example).read_text()
    for old, new in changes.items():
        if old not in text:
            raise LookupError(f"{example} has no {old!r}")
        text = text.replace(old, new)
    return text


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for one program's files, open to whatever account it steps down to."""
    with tempfile.TemporaryDirectory(prefix="kf-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


@contextmanager
def running(
    command: Sequence[str], folder: Path, port: int, *, user: int | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program until the end, from the moment on at which it listens on `port`.

    Raises:
        RuntimeError: it ended, or does not listen; with what it said.
    """
    said = folder / "said"
    with said.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, user=user
        )
    try:
        until = time.monotonic() + _START_SECONDS
        while not listens(port):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command[0]} does not start: {said.read_text()[-2000:]}")
            time.sleep(0.02)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(30)


def listens(port: int) -> bool:
    """Tell whether somebody takes connections on a port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
