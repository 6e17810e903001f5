"""Real `keyfob serve` processes, as a shell or a container starts them."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.fixtures.world import PASSWORD, SignedIn

SOURCE = Path(__file__).parents[2] / "src"
_GREETING = re.compile(r"Keyfob serves on (http://localhost:\d+)/auth/")


def wait_until(holds: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Return the first true result; fail if there is none in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answer := holds():
            return answer
        threading.Event().wait(0.05)
    raise AssertionError("what was waited for did not come")


_NOT_FOR_IT = ("KEYFOB_", "COVERAGE_")


class Instance:
    """A running `keyfob serve` and a client of it."""

    def __init__(self, folder: Path, name: str, **settings: object) -> None:
        self._said, self._out = folder / f"{name}.err", folder / f"{name}.out"
        port = str(settings.pop("PORT", 0))
        # The coverage of these services is measured by their own tests (tests/cli, test_boot.py):
        # tracing each start as well would take more than half as long again.
        bare = {key: os.environ[key] for key in os.environ if not key.startswith(_NOT_FOR_IT)}
        given = {
            "ISSUER": "http://keyfob.test/auth",  # otherwise it would contain the port
            "BCRYPT_COST": 4,
            "LOG_FORMAT": "json",
            "METRICS": "off",
            **settings,
        }
        self._folder = folder
        self._environment = bare | {
            "PYTHONPATH": str(SOURCE),
            **{f"KEYFOB_{key}": str(value) for key, value in given.items()},
        }
        with self._said.open("w") as err, self._out.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "keyfob.cli", "serve", "--port", port],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env=self._environment,
            )

    def keyfob(self, *arguments: str) -> str:
        """Run another command of Keyfob beside the service, and return its output."""
        done = subprocess.run(
            [sys.executable, "-m", "keyfob.cli", *arguments],
            cwd=self._folder,
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    @property
    def said(self) -> str:
        """The output on standard error so far."""
        return self._said.read_text()

    @property
    def url(self) -> str:
        """The URL of the service, once it is ready."""

        def greeting() -> re.Match[str] | None:
            assert self.process.poll() is None, self.said
            return _GREETING.search(self.said)

        match: re.Match[str] = wait_until(greeting, seconds=120)
        return match[1] + "/auth"

    def call(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send one request on a connection of its own, which any worker may get."""
        with httpx.Client(base_url=self.url, timeout=20) as client:
            return client.request(method, path, **request)

    def register(self, email: str) -> httpx.Response:
        return self.call("POST", "/register", json={"email": email, "password": PASSWORD})

    def log_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        return self.call("POST", "/login", json={"email": email, "password": password})

    def me(self, signed_in: SignedIn) -> int:
        return self.call("GET", "/me", headers=signed_in.headers).status_code

    @property
    def is_ready(self) -> bool:
        return self.call("GET", "/health/ready").status_code == 200

    @property
    def workers(self) -> list[int]:
        """The process ids of its workers."""
        children = psutil.Process(self.process.pid).children()
        return [p.pid for p in children if "keyfob.serving.worker" in " ".join(p.cmdline())]

    def stop(self) -> int:
        """Stop it as a container engine does, and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=40)
        assert "Traceback" not in self.said
        assert self._out.read_text() == ""
        return code


Start = Callable[..., Instance]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start instances in one folder; those that still run at the end are stopped."""
    folder = tmp_path_factory.mktemp("journey")
    started: list[Instance] = []

    def start_one(**settings: object) -> Instance:
        started.append(Instance(folder, f"instance-{len(started)}", **settings))
        return started[-1]

    yield start_one
    for instance in started:
        if instance.process.poll() is None:
            instance.process.terminate()
            instance.process.wait(timeout=40)
