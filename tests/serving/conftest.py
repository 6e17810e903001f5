import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

PATIENT = {"request_timeout": 20}
HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"


def wait_until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Return the first true result of a condition; fail if there is none in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := condition():
            return value
        threading.Event().wait(0.02)
    raise AssertionError("what was waited for did not come")


def closes_within(connection: socket.socket, seconds: float) -> bytes:
    """Read until the server closes, and return the data; fail if it does not close in time."""
    said = bytearray()
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if not select.select([connection], [], [], left)[0]:
            break
        try:
            data = connection.recv(65536)
        except ConnectionResetError:
            return bytes(said)
        if not data:
            return bytes(said)
        said += data
    raise AssertionError(f"still open after {seconds} s, having said {said[:200]!r}")


def read_answer(connection: socket.socket) -> bytes:
    """Read one complete response from a connection that stays open."""
    said = b""
    while b"\r\n\r\n" not in said:
        said += connection.recv(1)
    length = re.search(rb"content-length: (\d+)", said)
    left = int(length[1]) if length else 0
    while left:
        body = connection.recv(left)
        said += body
        left -= len(body)
    return said


class Service:
    """A running `serve`, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], url: str, folder: Path) -> None:
        self.process = process
        self.url = url
        self.port = urlsplit(url).port or 0
        self.folder = folder

    @contextlib.contextmanager
    def connect(self, source: str = "127.0.0.1") -> Iterator[socket.socket]:
        """Connect from an address; all of 127.0.0.0/8 belong to this machine."""
        with socket.create_connection(
            ("127.0.0.1", self.port), timeout=20, source_address=(source, 0)
        ) as connection:
            yield connection

    def ask(self, path: str = "/", **request: Any) -> dict[str, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(request.pop("method", "GET"), path, **request)
            return json.load(connection.getresponse())

    def say(self, raw: bytes, seconds: float = 10.0) -> bytes:
        """Send bytes and return all data until the server closes."""
        with self.connect() as connection:
            connection.sendall(raw)
            return closes_within(connection, seconds)

    @property
    def workers(self) -> list[psutil.Process]:
        return [
            child
            for child in psutil.Process(self.process.pid).children()
            if "keyfob.serving.worker" in child.cmdline()
        ]

    @property
    def log(self) -> list[dict[str, Any]]:
        lines = (self.folder / "errors").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


Start = Callable[..., Service]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start services; those that still run at the end are stopped."""
    started: list[subprocess.Popen[str]] = []

    def start_service(app: str = "create_app", *, wait: bool = True, **settings: Any) -> Service:
        folder = tmp_path_factory.mktemp("service")
        given = {"port": 0, "metrics": False, "shutdown_grace": 10, **PATIENT, **settings}
        with (folder / "errors").open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, str(HERE / "run_service.py"), json.dumps(given), app],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=folder,
                env=os.environ | {"PYTHONPATH": f"{SOURCE}{os.pathsep}{HERE}"},
            )
        started.append(process)
        urls = json.loads(process.stdout.readline()) if wait and process.stdout else [""]
        url = next((url for url in urls if url.startswith("http")), "")
        return Service(process, url, folder)

    yield start_service
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    """One worker."""
    return start()


@pytest.fixture(scope="module")
def impatient(start: Start) -> Service:
    """One worker that allows a second for a request to arrive."""
    return start(request_timeout=1)
