"""The first day: one command on a bare machine, and the same command on the next morning."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.fixtures.world import SignedIn
from tests.journeys.conftest import Instance, Start, wait_until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGES = {
    "README.md": ("A first session", "the printed password"),
    "README.ru.md": ("Первый сеанс", "напечатанный пароль"),
}
# What the calls of the section end with: Ada's, the administrator's, and those for Grace.
STATES = [*(201, 200, 200, 200, 200, 204, 401), *(200, 200, 201), *(204, 200, 200)]


def test_the_first_start_and_the_second(start: Start) -> None:
    first = start()
    assert first.call("GET", "/docs").status_code == 200
    assert first.is_ready

    (password,) = re.findall(
        r"First administrator: admin@example\.com, password (\S+) \(shown this once\)", first.said
    )
    admin = SignedIn.of(first.log_in("admin@example.com", password))
    ada = SignedIn.of(first.register("ada@example.com"))
    listed = first.call("GET", "/admin/users", headers=admin.headers)
    assert {user["email"] for user in listed.json()} == {"ada@example.com", "admin@example.com"}

    assert first.stop() == 0
    assert first.said.count(password) == 2  # as soon as it is made, and at the end of the start
    told = {line["event"] for line in map(json.loads, first.said.splitlines())}
    assert {"first_administrator", "serving"} < told

    second = start()
    assert "First administrator" not in second.url + second.said
    assert second.me(ada) == 200  # signed by the same key
    fresh = SignedIn.of(second.call("POST", "/refresh", json={"token": ada.refresh}))
    assert second.me(fresh) == 200
    assert second.log_in("admin@example.com", password).status_code == 200
    assert second.stop() == 0


@pytest.mark.parametrize("page", PAGES)
def test_the_first_session_is_pasted_as_it_stands(tmp_path: Path, page: str) -> None:
    """Run every block in one shell, in the folder where the service was started."""
    heading, printed = PAGES[page]
    instance = Instance(tmp_path, "walk")
    wait_until(lambda: instance.is_ready)
    (password,) = re.findall(r"password (\S+) \(shown this once\)", instance.said)
    text = (ROOT / page).read_text(encoding="utf-8")
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    script = "".join(re.findall(r"(?ms)^```sh\n(.+?)^```$", section))
    assert "api=http://localhost:8000/auth\n" in script
    script = script.replace("http://localhost:8000/auth", instance.url).replace(printed, password)

    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=tmp_path,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stderr == ""
    lines = done.stdout.splitlines()
    states = [int(line) for line in lines if re.fullmatch(r"\d{3}", line)]
    assert states == STATES
    assert '"code": "invalid_token"' in done.stdout  # after the sign-out
    me = lines[-2]  # above its status
    assert '"email":"grace@example.com"' in me
    assert '"role":"moderator"' in me
    assert '"email_verified":true' in me
    assert instance.stop() == 0
