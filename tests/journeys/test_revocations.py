"""`docs/revocations.md` does what it says: its blocks are pasted into one shell, as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bench.harness.cluster import free_port
from tests.journeys.conftest import SOURCE, Instance, wait_until

PAGE = (Path(__file__).parents[2] / "docs" / "revocations.md").read_text("utf-8")


@pytest.mark.slow
def test_every_block_of_the_page_does_what_it_says(tmp_path: Path) -> None:
    program = tmp_path / ".venv" / "bin" / "keyfob"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m keyfob.cli "$@"\n')
    program.chmod(0o755)
    port = free_port()
    url = f"http://localhost:{port}/auth"  # the issuer is a resource, by the same address
    blocks = "".join(re.findall(r"(?ms)^```sh\n(.+?)^```$", PAGE))
    assert "api=http://localhost:8000/auth\n" in blocks
    instance = Instance(tmp_path, "follow", PORT=port, ISSUER=url)
    try:
        wait_until(lambda: instance.is_ready)
        done = subprocess.run(
            ["bash", "-euc", blocks.replace("http://localhost:8000/auth", url)],
            cwd=tmp_path,
            env=os.environ | {"LC_ALL": "C.UTF-8", "PYTHONPATH": str(SOURCE), "KEYFOB_ISSUER": url},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        instance.stop()

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    polled, resumed = re.findall(r'^{"iss".*$', done.stdout, re.MULTILINE)
    assert '"complete":true' in polled
    assert f'"aud":"{url}/revocations"' in polled
    assert '"after":"' in resumed
    assert re.findall(r"^event: (.*)$", done.stdout, re.MULTILINE)[:2] == [
        "revocations",
        "heartbeat",
    ]
