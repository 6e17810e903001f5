"""Apache with mod_auth_openidc, set up as docs/apps/apache.md says."""

import time
from pathlib import Path
from urllib.parse import quote

from clients.administrator import Administrator
from clients.apps import SetUp, free_port, running
from clients.person import Person

PATIENCE = 20.0  # seconds

admin = Administrator.of_trial()
port = free_port()
site = f"http://localhost:{port}"
page = SetUp(
    "apache",
    {"https://id.example.com/auth": admin.url, "https://www.example.com": site},
)
holes = {**page.register(), "<a long random text>": "of this trial alone"}
holes["<a long random text>"] = f'"{holes["<a long random text>"]}"'
Path("intranet.conf").write_text(page.settings("apache", holes))
here = {"HERE": str(Path.cwd()), "PORT": str(port)}
inside = f"{site}/intranet/index.shtml"


def comes_in() -> Person:
    """Sign in at Keyfob's pages, on the way to what Apache guards."""
    person = Person(admin.email, admin.password)
    came = person.open(inside)
    assert came.text.count("|") == 2, came
    user, email, groups = came.text.strip().split("|")
    assert user.startswith(admin.call("GET", "me")["id"]), came
    assert email == admin.email, came
    assert "admin" in groups, came
    assert [address.rpartition("/")[2] for address in person.pages] == ["sign-in", "authorize"]
    person.open(inside)
    assert len(person.pages) == 2, person.pages
    return person


with running(["apache2", "-X", "-f", f"{here['HERE']}/httpd.conf"], f"{site}/bye", **here):
    # Apache signs out at Keyfob, too, and nobody is asked.
    person = comes_in()
    back = person.open(f"{site}/intranet/callback?logout={quote(f'{site}/bye', safe='')}")
    assert back.url.startswith(f"{site}/bye"), back
    person.open(f"{admin.url}/ui/account")
    assert "/ui/sign-in" in person.pages[2], person.pages

    # Signed out at Keyfob: Apache hears of it, and asks again.
    person = comes_in()
    admin.sign_out_everywhere()
    until = time.monotonic() + PATIENCE
    while len(person.pages) == 2:
        assert time.monotonic() < until, "Apache did not hear of the sign-out"
        time.sleep(0.2)
        person.open(inside)
    assert "/ui/sign-in" in person.pages[2], person.pages
