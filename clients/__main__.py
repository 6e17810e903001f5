"""`python -m clients [LANGUAGE ...]`: generate, compile and use a client in each language."""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from clients.languages import LANGUAGES, Command, Language

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".clients"
PASSWORD = "correct horse battery"

_GREETING = re.compile(r"Keyfob serves on (http://localhost:\d+/auth)/")


def main() -> int:
    """Run them, tell of each, and return 1 where one does not work."""
    parser = argparse.ArgumentParser(prog="python -m clients", description=__doc__)
    names = [language.name for language in LANGUAGES]
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE", help=f"of {', '.join(names)}")
    wanted = parser.parse_args().languages or names
    if unknown := set(wanted) - set(names):
        parser.error(f"no such language: {', '.join(sorted(unknown))}")
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "openapi.json").open("w") as schema:
        subprocess.run([sys.executable, "-m", "keyfob.cli", "openapi"], stdout=schema, check=True)
    with _service() as url:
        worked = [_try(language, url) for language in LANGUAGES if language.name in wanted]
    return 0 if all(worked) else 1


def _try(language: Language, url: str) -> bool:
    """Generate, compile and use one client; what a machine cannot do is told, and is no fault."""
    if lacks := language.lacks():
        print(f"{language.name:12} not tried: needs {', '.join(lacks)}", flush=True)
        return True
    folder = FOLDER / language.name
    language.lay(folder)
    environment = {
        **os.environ,
        "KEYFOB_URL": url,
        "KEYFOB_EMAIL": f"{language.name}@example.com",
        "KEYFOB_SECRET": PASSWORD,
    }
    started = time.monotonic()
    for command in _steps(language, folder):
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(f"{language.name:12} FAILED: {' '.join(command)[:300]}", flush=True)
            print((done.stdout + done.stderr)[-4000:], flush=True)
            return False
    (folder / "prepared").write_text(_pins())
    seconds = time.monotonic() - started
    print(f"{language.name:12} generated, compiled and used in {seconds:.0f} s", flush=True)
    return True


def _steps(language: Language, folder: Path) -> Iterator[Command]:
    prepared = folder / "prepared"
    if not prepared.exists() or prepared.read_text() != _pins():
        yield from language.prepare(folder)
    yield from language.build(folder)
    yield language.use(folder)


def _pins() -> str:
    """Return what a fetch depends on: all that is committed, but for the programs."""
    files = sorted(Path(__file__).parent.glob("*/*"))
    return "\n".join(each.read_text() for each in files if each.stem.lower() != "use")


@contextlib.contextmanager
def _service() -> Iterator[str]:
    """Run the service on a free port, with a database of its own, and give its URL."""
    with tempfile.TemporaryDirectory() as data:
        given = {
            "KEYFOB_DATA_DIR": data,
            "KEYFOB_METRICS": "false",
            "KEYFOB_LIMITS": "off",
            "KEYFOB_BCRYPT_COST": "4",
        }
        bare = {name: value for name, value in os.environ.items() if not name.startswith("KEYFOB_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "keyfob.cli", "serve", "--port", "0"],
            env={**bare, **given},
            cwd=data,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield _url_of(process)
        finally:
            process.terminate()
            process.wait(timeout=60)


def _url_of(process: "subprocess.Popen[str]") -> str:
    said = []
    for line in process.stderr or ():
        said.append(line)
        if found := _GREETING.search(line):
            # What it says from now on is read, so that it never waits for a reader.
            threading.Thread(target=(process.stderr or sys.stdin).read, daemon=True).start()
            return found[1]
    raise SystemExit("the service did not start:\n" + "".join(said))


if __name__ == "__main__":
    sys.exit(main())
