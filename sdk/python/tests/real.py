"""Keyfob itself, as a process with an embedded PostgreSQL of its own."""

import contextlib
import json
import os
import re
import secrets
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[3]
# Keyfob is not in the environment of these tests.
PYTHON = Path(os.environ.get("KEYFOB_PYTHON", ROOT / ".venv" / "bin" / "python"))
ORDERS = "https://orders.example.com"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
PASSWORD = "the analyst of engines"

_GREETING = re.compile(r"Keyfob serves on (http://localhost:\d+/auth)/")


def _free_port() -> int:
    # The kernel gives none below 32768 to connections: nobody has it when the service can listen.
    while True:
        port = 10_000 + secrets.randbelow(10_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Keyfob:
    """A running service, its command line, and people who sign in there."""

    def __init__(self, folder: Path) -> None:
        self._port = _free_port()
        self._environment = {
            **{name: value for name, value in os.environ.items() if "KEYFOB" not in name},
            "KEYFOB_DATA_DIR": str(folder),
            "KEYFOB_ISSUER": f"http://localhost:{self._port}/auth",
            "KEYFOB_METRICS": "off",
            "KEYFOB_LIMITS": "off",
            "KEYFOB_REFRESH_GRACE": "0",
            "KEYFOB_BCRYPT_COST": "4",
            "KEYFOB_ADMIN_EMAIL": "admin@example.com",
            "KEYFOB_ADMIN_PASSWORD": PASSWORD,
        }
        self._folder = folder
        self.process: subprocess.Popen[str]
        self.url = self.start()
        self.http = httpx.Client(base_url=self.url, timeout=30)
        self.admin = self.sign_in("admin@example.com")
        self.keyfob("resources", "create", ORDERS, "--name", "Orders", "--scope", "orders:read")

    def start(self) -> str:
        """Start the service, and return its URL once it serves."""
        self.process = subprocess.Popen(
            [PYTHON, "-m", "keyfob.cli", "serve", "--port", str(self._port)],
            env=self._environment,
            cwd=self._folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        said, errors = [], self.process.stderr
        assert errors is not None
        for line in errors:
            said.append(line)
            if found := _GREETING.search(line):
                threading.Thread(target=errors.read, daemon=True).start()
                return found[1]
        raise AssertionError("the service did not start:\n" + "".join(said))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        if self.process.stderr is not None:
            self.process.stderr.close()

    def keyfob(self, *arguments: str) -> Any:
        """Run a command beside the service, and return its JSON."""
        done = subprocess.run(
            [PYTHON, "-m", "keyfob.cli", *arguments, "--json"],
            env=self._environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def call(self, method: str, path: str, token: str, body: Any = None) -> httpx.Response:
        answer = self.http.request(
            method, path, json=body, headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.is_success, answer.text
        return answer

    def sign_in(self, email: str) -> str:
        answer = self.http.post("/login", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def register(self) -> dict[str, Any]:
        """Sign somebody up; return the tokens, and `email`."""
        email = f"ada{time.monotonic_ns()}@example.com"
        answer = self.http.post("/register", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        return {**answer.json(), "email": email}

    def token_of(self, client: dict[str, Any], **form: str) -> str:
        """Return a token for a registered client."""
        answer = self.http.post(
            "/oauth2/token",
            data={"grant_type": "client_credentials", **form},
            auth=(client["id"], client["client_secret"]),
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])
