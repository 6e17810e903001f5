"""Miniflux, set up as docs/apps/miniflux.md says, on a PostgreSQL of its own."""

import os
import re
import tempfile
from pathlib import Path

from clients.administrator import Administrator
from clients.apps import SetUp, free_port, keyfob, running
from clients.person import Page, Person
from clients.service import PASSWORD

from keyfob.devdb.server import EmbeddedPostgres

admin = Administrator.of_trial()
port = free_port()
reader = f"http://localhost:{port}"
page = SetUp(
    "miniflux",
    {"https://id.example.com/auth": admin.url, "https://reader.example.com": reader},
)
Path("miniflux.conf").write_text(page.settings("ini", page.register()))
sign_in = f"{reader}/oauth2/oidc/redirect"


def comes_in(email: str, password: str) -> tuple[Person, Page]:
    """Sign in at Keyfob's pages, on the way to Miniflux."""
    person = Person(email, password)
    came = person.open(sign_in)
    assert came.url.startswith(f"{reader}/"), came
    assert [address.rpartition("/")[2] for address in person.pages] == ["sign-in", "authorize"]
    return person, came


def try_it() -> None:
    """Sign people in, and out."""
    person, came = comes_in(admin.email, admin.password)
    assert came.url == f"{reader}/unread", came
    assert f'title="Logged in as {admin.email}"' in came.text, came
    assert person.open(f"{reader}/users").status == 200

    # It signs out here alone: the way back in asks for no password. (An app of this machine needs
    # consent each time.)
    token = re.search(r'name="csrf" value="([^"]+)"', came.text)
    assert token, came
    person.open(f"{reader}/logout", {"csrf": token[1]})
    assert "Sign in with Keyfob" in person.open(f"{reader}/unread").text
    assert person.open(sign_in).url == f"{reader}/unread"
    asked = [address.rpartition("/")[2] for address in person.pages]
    assert asked == ["sign-in", "authorize", "authorize"], asked

    # Who has no such role is no administrator there, and gets in with a proven address alone.
    admin.call("POST", "admin/users", email="reader@example.com", password=PASSWORD)
    _, refused = comes_in("reader@example.com", PASSWORD)
    assert "Sign in with Keyfob" in refused.text, refused
    keyfob("users", "mark-verified", "reader@example.com")
    someone = Person("reader@example.com", PASSWORD)
    assert someone.open(sign_in).url == f"{reader}/unread"
    assert someone.open(f"{reader}/users").status == 403


with tempfile.TemporaryDirectory() as folder:
    database = EmbeddedPostgres(Path(folder), {"fsync": "off"})
    given = {
        "DATABASE_URL": f"{database.start()}&sslmode=disable",
        "RUN_MIGRATIONS": "1",
        "LISTEN_ADDR": f"127.0.0.1:{port}",
        "PATH": os.environ["PATH"],
    }
    try:
        with running(
            ["./miniflux", "-config-file", "miniflux.conf"], f"{reader}/healthcheck", **given
        ):
            try_it()
    finally:
        database.stop()
