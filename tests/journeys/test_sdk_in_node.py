"""The module for Node.js, `sdk/js`, with a real service: the programs of `docs/integrate.md`."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from bench.harness.cluster import free_port
from tests.fixtures.world import SignedIn
from tests.journeys.conftest import Instance, Start, wait_until

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "sdk" / "js"
PROGRAMS = dict(
    re.findall(
        r"^```js (\w+)/orders.js\n(.*?)^```$",
        (ROOT / "docs" / "integrate.md").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        shutil.which("node") is None or not (PACKAGE / "node_modules").exists(),
        reason="its packages are not installed: make sdk-js does that",
    ),
]


@pytest.fixture(scope="module")
def service(start: Start) -> Instance:
    port = free_port()
    instance = start(PORT=port, ISSUER=f"http://localhost:{port}/auth", WORKERS=2)
    wait_until(lambda: instance.is_ready, seconds=120)
    return instance


def test_the_programs_of_the_page_are_those_of_the_package() -> None:
    assert set(PROGRAMS) == {"express", "fastify"}


@pytest.mark.parametrize("framework", sorted(PROGRAMS))
def test_a_sign_out_stops_the_next_call_of_another_service(
    service: Instance, framework: str
) -> None:
    resource = ("--resource", service.url, "--scope", "revocations:read")
    made = json.loads(service.keyfob("clients", "create", framework, *resource, "--json"))
    follows = (
        'audience: "keyfob", client: { id: process.env.CLIENT_ID, secret: process.env.SECRET }'
    )
    text = PROGRAMS[framework].replace("http://localhost:8000/auth", service.url)
    text = text.replace('audience: "keyfob"', follows)
    program, port = PACKAGE / f".walk-{framework}.mjs", free_port()
    program.write_text(text, "utf-8")
    secret = {"CLIENT_ID": made["id"], "SECRET": made["client_secret"], "PORT": str(port)}
    process = subprocess.Popen(["node", str(program)], env={**os.environ, **secret})
    try:
        orders = f"http://127.0.0.1:{port}/orders"
        ada = SignedIn.of(service.register(f"{framework}@example.com"))
        wait_until(lambda: _status(orders, ada.headers) == 200, seconds=60)
        assert httpx.delete(orders, headers=ada.headers).status_code == 403
        assert httpx.get(orders).status_code == 401

        assert service.call("DELETE", "/logout", headers=ada.headers).status_code == 204

        wait_until(lambda: _status(orders, ada.headers) == 401, seconds=10)
    finally:
        process.terminate()
        process.wait(timeout=30)
        program.unlink()


def _status(url: str, headers: dict[str, str]) -> int:
    try:
        return httpx.get(url, headers=headers).status_code
    except httpx.TransportError:
        return 0
