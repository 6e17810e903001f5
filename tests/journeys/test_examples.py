"""`examples/` does what it says: the blocks of each README are pasted into one shell."""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from tests.fixtures.chromium import Page, browsing, find_program
from tests.journeys.conftest import SOURCE, Instance, wait_until

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "sdk" / "js" / "node_modules"
FRAMEWORKS = ROOT / ".sdk" / "python" / "bin" / "python"
ADMIN_PASSWORD = "the analyst of engines"
# The addresses of the pages: of Keyfob, the services, and the page in a browser.
PORTS = ("8000", "8001", "8002", "8003", "8004", "8080")

pytestmark = pytest.mark.timeout(300)


class Checkout:
    """A copy of the examples with ports of its own, beside a running service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        free = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
        self.ports = {
            port: str(one.getsockname()[1]) for port, one in zip(PORTS, free, strict=True)
        }
        for one in free:
            one.close()
        shutil.copytree(
            ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("node_modules")
        )
        for path in folder.glob("examples/**/*.*"):
            if path.is_file():
                path.write_text(self.moved(path.read_text("utf-8")), "utf-8")
        (folder / "sdk").symlink_to(ROOT / "sdk")
        self.origin = f"http://localhost:{self.ports['8080']}"
        self.issuer = f"http://localhost:{self.ports['8000']}/auth"
        self.service = Instance(
            folder,
            "keyfob",
            PORT=self.ports["8000"],
            ISSUER=self.issuer,
            CORS_ORIGINS=self.origin,
            ADMIN_PASSWORD=ADMIN_PASSWORD,
        )

    def moved(self, text: str) -> str:
        """Replace the ports of the examples."""
        return re.sub(r"\b80\d\d\b", lambda found: self.ports[found[0]], text)

    def install(self, python: Path) -> None:
        """Put the programs that the pages start where they look for them."""
        keyfob = f'PYTHONPATH="{SOURCE}" KEYFOB_ISSUER={self.issuer} exec "{sys.executable}"'
        uvicorn = f'PYTHONPATH="{ROOT / "sdk" / "python" / "src"}" exec "{python}"'
        for name, start in {
            ".venv/bin/keyfob": f"{keyfob} -m keyfob.cli",
            "bin/uvicorn": f"{uvicorn} -m uvicorn --log-level warning",
        }.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'#!/bin/sh\n{start} "$@"\n')
            path.chmod(0o755)

    def paste(self, example: str) -> str:
        """Paste the blocks of an example's README, and return what was printed."""
        with self.pasting(example) as finish:
            return finish()

    @contextmanager
    def pasting(self, example: str, *, pause: str = "") -> Iterator[Callable[[], str]]:
        """Begin to paste; yield a function that does the rest and returns what was printed.

        Args:
            example: the folder of the README, whose blocks are run unless it says why not.
            pause: the section that the rest begins with.
        """
        page = (self.folder / "examples" / example / "README.md").read_text("utf-8")
        page = re.sub(r"<!-- not run: .+ -->\n```sh\n[^`]+```\n", "", page)
        page = page.replace(f"\n## {pause}\n", "\n```sh\nkill -STOP $$\n```\n")
        script = "".join(re.findall(r"(?ms)^```sh\n(.+?)^```$", page))
        said, process = self.folder / f"{example}.said", self._shell(script, example)

        def finish() -> str:
            process.send_signal(signal.SIGCONT)
            code = process.wait(timeout=100)
            assert code == 0, said.read_text()
            return said.read_text()

        try:
            if pause:
                shell = psutil.Process(process.pid)
                wait_until(lambda: shell.status() == psutil.STATUS_STOPPED, seconds=60)
            yield finish
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with what it has started
            process.wait()

    def _shell(self, script: str, name: str) -> "subprocess.Popen[bytes]":
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        with (self.folder / f"{name}.said").open("w") as said:
            return subprocess.Popen(
                ["bash", "-euc", script.replace("the printed password", ADMIN_PASSWORD)],
                cwd=self.folder,
                env=os.environ | {"LC_ALL": "C.UTF-8", "PATH": path},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    wait_until(lambda: made.service.is_ready, seconds=120)
    yield made
    made.service.stop()


def states(said: str) -> list[int]:
    return [int(line) for line in said.splitlines() if re.fullmatch(r"\d{3}", line)]


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("node") is None or not PACKAGES.exists(),
    reason="the packages of sdk/js are not installed: make sdk-js does that",
)
def test_two_services_that_call_each_other(checkout: Checkout) -> None:
    checkout.install(Path(sys.executable))
    modules = checkout.folder / "examples" / "two-services" / "node_modules"
    modules.mkdir()
    (modules / "express").symlink_to(PACKAGES / "express")
    (modules / "keyfob-client").symlink_to(PACKAGES.parent)

    said = checkout.paste("two-services")

    assert states(said)[:5] == [403, 200, 200, 200, 204]
    assert states(said)[-2:] == [401, 401]
    assert '"orders":["a loom","two hundred cards"]' in said
    assert "real" in said  # the time that it took


@pytest.mark.slow
@pytest.mark.skipif(not FRAMEWORKS.exists(), reason="Django is not installed: make sdk does that")
def test_a_project_of_django(checkout: Checkout) -> None:
    checkout.install(FRAMEWORKS)

    said = checkout.paste("django")

    assert states(said) == [403, 204, 401]
    assert '"orders": ["a loom"]' in said
    assert '"offers": {"Jacquard": 108, "Falcon": 106}' in said
    assert '{"looms": 7}' in said


async def shown(page: Page, text: str) -> None:
    async with asyncio.timeout(30):
        while text not in await page.run("document.body.innerText"):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.05)


@pytest.mark.browser
@pytest.mark.skipif(find_program() is None, reason="there is no chromium here")
async def test_a_page_on_another_origin(checkout: Checkout) -> None:
    checkout.install(Path(sys.executable))
    with checkout.pasting("browser", pause="Try it") as finish:
        async with browsing() as page:
            await page.go(checkout.origin)
            await shown(page, "Password")
            await page.run("""{
                const { elements } = document.forms[0];
                elements.email.value = "mary@example.com";
                elements.password.value = "a walk on the beach 1811";
                document.forms[0].requestSubmit();
            }""")
            await shown(page, "two hundred cards")
            other = await page.another()
            await other.go(checkout.origin)
            await shown(other, "two hundred cards")

            await page.run("document.getElementById('sign-out').click()")

            await shown(page, "Password")
            await shown(other, "Password")
            assert await other.run("document.getElementById('orders').childElementCount") == 0
        finish()
