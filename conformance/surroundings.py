"""What the suite meets: a Keyfob behind TLS, an API beside it, and whoever registers clients."""

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from clients.service import PASSWORD, service

from conformance.front import Front
from conformance.plans import NOTES_SCOPE, Surroundings

EMAIL = "admin@example.com"
_NOTES = "/notes"


@contextlib.contextmanager
def surroundings(suite: str) -> Iterator[Surroundings]:
    """Start all that a suite at this URL has to reach."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        front = Front(folder / "front.pem")
        stack.enter_context(front.open())
        issuer = f"https://localhost:{front.own_port}/auth"
        settings = {
            "KEYFOB_ADMIN_PASSWORD": PASSWORD,
            "KEYFOB_ADMIN_EMAIL": EMAIL,
            "KEYFOB_ISSUER": issuer,
            "KEYFOB_PUBLIC_URL": issuer,
            "KEYFOB_OUTBOUND_ALLOW": "localhost,127.0.0.1/32",
            "KEYFOB_OUTBOUND_CA_FILE": _certificate_of(suite, folder / "suite.pem"),
        }
        url = stack.enter_context(service(**settings))
        front.port = urlsplit(url).port
        administrator = Administrator(url)
        api = stack.enter_context(_notes(issuer, administrator, folder))
        administrator.registered.clear()  # what is registered from now on is the suite's
        yield Surroundings(
            suite,
            issuer,
            api,
            administrator.register,
            administrator.forget_consents,
            administrator.remove_clients,
        )


class Administrator:
    """Registers clients and APIs, over HTTP, and is the person who signs in at them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._calls = httpx.Client(timeout=60)
        self.registered: list[str] = []
        self._sign_in()
        # The suite asks for what the metadata names.
        told = {"name": "Ada Lovelace", "timezone": "Europe/London"}
        self._calls.patch(f"{url}/me", json=told).raise_for_status()

    def register(self, **fields: Any) -> dict[str, str]:
        """Register a client; return its `client_id` and, where it has one, its `client_secret`."""
        self._sign_in()
        made = {"client_id": self._post("admin/clients", fields)["id"]}
        self.registered.append(made["client_id"])
        if fields.get("auth_method", "client_secret_basic").startswith("client_secret"):
            secret = self._post(f"admin/clients/{made['client_id']}/secrets", {})
            made["client_secret"] = secret["client_secret"]
        return made

    def register_api(self, identifier: str, scope: str) -> None:
        """Register an API."""
        fields = {"identifier": identifier, "name": "Notes", "scopes": {scope: {"en": "Read"}}}
        self._post("admin/resources", fields)

    def forget_consents(self) -> None:
        """Take back what apps were allowed, so that each asks again."""
        self._sign_in()
        grants = self._calls.get(f"{self._url}/me/grants").raise_for_status()
        for grant in grants.json():
            at = f"{self._url}/me/grants/{grant['client_id']}"
            self._calls.delete(at).raise_for_status()

    def remove_clients(self) -> None:
        """Delete the clients that were registered; they hear of no further sign-out."""
        self._sign_in()
        while self.registered:
            at = f"{self._url}/admin/clients/{self.registered.pop()}"
            self._calls.delete(at).raise_for_status()

    def _sign_in(self) -> None:
        signed_in = self._post("login", {"email": EMAIL, "password": PASSWORD})
        self._calls.headers["Authorization"] = f"Bearer {signed_in['access_token']}"

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._calls.post(f"{self._url}/{path}", json=body)
        if answer.is_error:
            raise SystemExit(f"Keyfob refuses {path}: {answer.text}")
        return answer.json()


@contextlib.contextmanager
def _notes(issuer: str, administrator: Administrator, folder: Path) -> Iterator[str]:
    """Run the API of `conformance.notes` behind TLS, and yield its address."""
    front = Front(folder / "notes.pem")
    with front.open(), socket.create_server(("127.0.0.1", 0)) as listening:
        front.port = listening.getsockname()[1]
        origin = f"https://localhost:{front.own_port}"
        administrator.register_api(origin + _NOTES, NOTES_SCOPE)
        client = administrator.register(
            name="Notes", scope=["revocations:read"], resources=[issuer]
        )
        given = {
            "NOTES_ORIGIN": origin,
            "NOTES_ISSUER": issuer,
            "NOTES_CLIENT_ID": client["client_id"],
            "NOTES_CLIENT_SECRET": client["client_secret"],
            "PYTHONPATH": "sdk/python/src",
            "SSL_CERT_FILE": _certificate_of(issuer, folder / "issuer.pem"),
        }
        fd = listening.fileno()
        program = ("uvicorn", "--factory", "conformance.notes:make_app", "--fd", str(fd))
        process = subprocess.Popen(
            [sys.executable, "-m", *program, "--log-level", "warning"],
            env={**os.environ, **given},
            pass_fds=[fd],
        )
        try:
            yield origin + _NOTES
        finally:
            process.terminate()
            process.wait(timeout=60)


def _certificate_of(url: str, path: Path) -> str:
    """Write down the certificate of a server of this machine, and return where."""
    at = urlsplit(url)
    path.write_text(ssl.get_server_certificate((at.hostname or "", at.port or 443)))
    return str(path)
