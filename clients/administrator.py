"""What an administrator does once for an app; it needs the standard library alone."""

import json
import os
import urllib.request
from dataclasses import dataclass
from typing import Any


@dataclass
class Administrator:
    """Calls the API as the first administrator, whose session it opens."""

    url: str
    email: str
    password: str
    token: str

    @classmethod
    def of_trial(cls) -> "Administrator":
        """Sign in to the service that the variables of a trial name."""
        url, password = (os.environ[f"KEYFOB_{name}"] for name in ("URL", "ADMIN_PASSWORD"))
        email = "admin@example.com"
        asked = {"email": email, "password": password}
        tokens = _call("POST", f"{url}/login", asked, {})
        return cls(url, email, password, tokens["access_token"])

    def call(self, method: str, path: str, **body: Any) -> Any:
        """Return what the API answers."""
        bearer = {"Authorization": f"Bearer {self.token}"}
        return _call(method, f"{self.url}/{path}", body, bearer)

    def sign_out_everywhere(self) -> None:
        """End all sessions of the administrator, and open another."""
        self.token = self._sign_in()  # the first one has ended, if the app was slow to start
        self.call("DELETE", "logout-all")
        self.token = self._sign_in()

    def _sign_in(self) -> str:
        asked = {"email": self.email, "password": self.password}
        token: str = _call("POST", f"{self.url}/login", asked, {})["access_token"]
        return token

    def register(self, **fields: Any) -> str:
        """Register an app, and return its `client_id`."""
        client_id: str = self.call("POST", "admin/clients", **fields)["id"]
        return client_id

    def secret_of(self, client_id: str) -> str:
        """Return a new secret of an app."""
        secret: str = self.call("POST", f"admin/clients/{client_id}/secrets")["client_secret"]
        return secret


def _call(method: str, url: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
    data = json.dumps(body).encode() if method != "GET" else None
    kind = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers | kind, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read() or b"null")
