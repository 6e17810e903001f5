"""Apps of others on this machine, set up as docs/apps says."""

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PAGES = Path(__file__).parents[1] / "docs" / "apps"
_PATIENCE = 600.0  # seconds; Java starts slowly where much else runs


@dataclass(frozen=True)
class SetUp:
    """A page of docs/apps, in which the addresses of examples are those of a trial.

    Args:
        name: of the page.
        addresses: what stands there, and what is meant in the trial.
    """

    name: str
    addresses: Mapping[str, str]

    def _read(self, language: str) -> list[str]:
        text = (PAGES / f"{self.name}.md").read_text("utf-8")
        blocks: list[str] = re.findall(rf"(?ms)^```{language}\n(.+?)^```$", text)
        return [self.here(block) for block in blocks]

    def here(self, text: str) -> str:
        """Put the addresses of the trial into a text."""
        for there, here in self.addresses.items():
            text = text.replace(there, here)
        return text

    def register(self) -> dict[str, str]:
        """Run the page's command that registers the app; return what to put for its holes."""
        commands = [block for block in self._read("sh") if "keyfob clients create" in block]
        words = shlex.split(commands[0].replace("\\\n", " "))
        made = json.loads(keyfob(*words[1:], "--json"))
        return {"<client_id>": made["id"], "<secret>": made["client_secret"]}

    def settings(self, language: str, holes: Mapping[str, str]) -> str:
        """Return the page's block of this language, its holes filled."""
        [block] = self._read(language)
        for hole, value in holes.items():
            assert hole in block, f"{self.name}: no {hole}"
            block = block.replace(hole, value)
        return block


def keyfob(*words: str) -> str:
    """Run a command of ours on the trial's service, and return what it says."""
    command = [sys.executable, "-m", "keyfob.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_settings())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _settings() -> dict[str, str]:
    """Return the environment without the variables that are of the trial and no settings."""
    of_trial = {f"KEYFOB_{name}" for name in ("URL", "EMAIL", "SECRET")}
    return {name: value for name, value in os.environ.items() if name not in of_trial}


def free_port() -> int:
    """Return a port of this machine that nothing listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextlib.contextmanager
def running(command: list[str], url: str, **more: str) -> Iterator[None]:
    """Run a program until the block ends, which begins when this address answers.

    Args:
        command: of the program.
        url: an address of it.
        more: further variables of its environment.
    """
    log = Path("app.log")
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=os.environ | more
        )
        try:
            _wait(process, url, log)
            yield
        except BaseException:
            print(log.read_text("utf-8", "replace")[-3000:])
            raise
        finally:
            process.terminate()
            process.wait(timeout=60)


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError(f"it ended: {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.3)
        else:
            return
    raise AssertionError(f"{url} does not answer")
