"""`docs/machines.md` does what it says: its blocks are pasted into one shell, as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bench.harness.cluster import free_port
from tests.journeys.conftest import SOURCE, Instance, wait_until

from keyfob.authority.models import Permission

PAGE = (Path(__file__).parents[2] / "docs" / "machines.md").read_text("utf-8")
ADMIN_PASSWORD = "the analyst of engines"

# The states that the calls of each section end with, and what introspection said.
STATES = {
    "Get a token": [200, 400],
    "Call Keyfob's own API": [200, 403],
    "Introspect": [200],
    "End it": [200, 200, 401, 200, 200, 200, 401],
    "An API key": [200, 200, 204, 401, 200],
    "The same over HTTP": [201, 201, 200, 204, 201, 201, 200, 204],
    "Metadata, and the proxy in front": [200, 200],
}
ACTIVE = {
    "Introspect": ["true"],
    "End it": ["false", "false", "true", "false"],
    "An API key": ["true", "false"],
}


def run(folder: Path, url: str) -> dict[str, str]:
    """Paste every block into one shell; return what each section printed."""
    script = ""
    for heading, text in re.findall(r"(?ms)^## (.+?)\n(.+?)(?=^## |\Z)", PAGE):
        blocks = re.findall(r"(?ms)^```sh\n(.+?)^```$", text)
        script += f'printf "\\n## %s\\n" "{heading}"\n' + "".join(blocks)
    assert "api=http://localhost:8000/auth\n" in script
    assert "'the printed password'" in script
    script = script.replace("http://localhost:8000/auth", url)
    done = subprocess.run(
        ["bash", "-euc", script.replace("the printed password", ADMIN_PASSWORD)],
        cwd=folder,
        env=os.environ | {"LC_ALL": "C.UTF-8", "PYTHONPATH": str(SOURCE), "KEYFOB_ISSUER": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    parts = re.split(r"^## (.+)$", done.stdout, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.slow
def test_every_block_of_the_page_does_what_it_says(tmp_path: Path) -> None:
    program = tmp_path / ".venv" / "bin" / "keyfob"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m keyfob.cli "$@"\n')
    program.chmod(0o755)
    port = free_port()
    url = f"http://localhost:{port}/auth"  # the issuer is a resource, by the same address
    instance = Instance(tmp_path, "walk", PORT=port, ISSUER=url, ADMIN_PASSWORD=ADMIN_PASSWORD)
    try:
        wait_until(lambda: instance.is_ready)
        said = run(tmp_path, url)
    finally:
        code = instance.stop()

    assert code == 0
    for heading, expected in STATES.items():
        states = [int(state) for state in re.findall(r"^(\d{3})$", said[heading], re.MULTILINE)]
        assert states == expected, said[heading]
    for heading, values in ACTIVE.items():
        assert re.findall(r'"active": ?(true|false)', said[heading]) == values, said[heading]
    assert '"invalid_target"' in said["Get a token"]
    assert "support" in said["Further roles"]


def test_the_table_of_permissions_is_that_of_the_code() -> None:
    table = PAGE.partition("| permission |")[2].partition("\n\n")[0]

    told = dict(re.findall(r"^\| `(.+?)` \| (.+) \|$", table, re.MULTILINE))

    assert told == {each.value: each.meaning for each in Permission}
