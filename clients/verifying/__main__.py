"""`python -m clients.verifying [NAME ...]`: run the programs of docs/verifying.md."""

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from clients.service import PASSWORD, service
from clients.verifying import forging
from clients.verifying.verifiers import ALL, HERE, VERIFIERS, Verifier

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".clients" / "verifying"

_PROGRAM = re.compile(r"^```\w+ (?P<path>[\w/.]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)

Tokens = list[tuple[str, str, str]]  # what it is, its issuer, the token


class Wrong(Exception):
    """A program does not do what the page says."""


def main() -> int:
    """Run them, tell of each, and return 1 where one does not do what the page says."""
    parser = argparse.ArgumentParser(prog="python -m clients.verifying", description=__doc__)
    names = [verifier.name for verifier in VERIFIERS]
    parser.add_argument("verifiers", nargs="*", metavar="NAME", help=f"of {', '.join(names)}")
    wanted = parser.parse_args().verifiers or names
    if unknown := set(wanted) - set(names):
        parser.error(f"no such verifier: {', '.join(sorted(unknown))}")
    programs = programs_of_page()
    with contextlib.ExitStack() as stack:
        urls = {name: stack.enter_context(service(KEYFOB_SIGNING_ALGORITHM=name)) for name in ALL}
        forger = stack.enter_context(forging.issuer())
        worked = [
            _try(verifier, programs[verifier.name], urls, forger)
            for verifier in VERIFIERS
            if verifier.name in wanted
        ]
    return 0 if all(worked) else 1


def programs_of_page() -> dict[str, tuple[str, str]]:
    """Return file name and text of each program of the page, by the name of its verifier."""
    page = (ROOT / "docs" / "verifying.md").read_text(encoding="utf-8")
    found = {}
    for program in _PROGRAM.finditer(page):
        name, _, file = program["path"].partition("/")
        found[name] = (file, program["text"])
    return found


def _try(verifier: Verifier, program: tuple[str, str], urls: dict[str, str], forger: str) -> bool:
    """Compile one and show it tokens; what a machine cannot do is told, and is no fault."""
    if lacks := verifier.lacks():
        print(f"{verifier.name:13} not tried: needs {', '.join(lacks)}", flush=True)
        return True
    folder, started = FOLDER / verifier.name, time.monotonic()
    if verifier.pins:
        shutil.copytree(HERE / verifier.pins, folder, dirs_exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / program[0]).write_text(program[1], encoding="utf-8")
    try:
        _compile(verifier, folder)
        shown = _show(verifier, folder, urls, forger)
    except Wrong as wrong:
        print(f"{verifier.name:13} WRONG: {wrong}", flush=True)
        return False
    print(f"{verifier.name:13} judged {shown} tokens, in {time.monotonic() - started:.0f} s")
    return True


def _compile(verifier: Verifier, folder: Path) -> None:
    prepared, pins = folder / "prepared", "\n".join(_pins())
    is_prepared = prepared.exists() and prepared.read_text() == pins
    for command in [*([] if is_prepared else verifier.prepare(folder)), *verifier.build(folder)]:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stdout + done.stderr)[-4000:]
            raise Wrong(f"{' '.join(command)[:300]}\n{said}")
    prepared.write_text(pins)


def _pins() -> Iterator[str]:
    for file in sorted(HERE.glob("*/*")):
        if file.suffix not in {".py", ".pyc"}:
            yield file.read_text()


def _show(verifier: Verifier, folder: Path, urls: dict[str, str], forger: str) -> int:
    believed: Tokens = [("a good token", forger, forging.good(forger))]
    refused: Tokens = [(what, forger, token) for what, token in forging.bad(forger).items()]
    for algorithm, url in urls.items():
        token = _token_of(url)
        (believed if algorithm in verifier.knows else refused).append((algorithm, url, token))
    for tokens, expected in ((believed, True), (refused, False)):
        for what, issuer, token in tokens:
            done = _run(verifier, folder, issuer, token)
            # Who refuses says so by an error, and names nobody.
            if (done.returncode == 0) is not expected or bool(done.stdout.strip()) is not expected:
                raise Wrong(f"{what}: {done.stdout}{done.stderr[-2000:]}")
    return len(believed) + len(refused)


def _run(
    verifier: Verifier, folder: Path, issuer: str, token: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*verifier.run(folder), token],
        cwd=folder,
        env={**os.environ, "KEYFOB_ISSUER": issuer},
        capture_output=True,
        text=True,
        check=False,
    )


def _token_of(url: str) -> str:
    body = {"email": f"user{time.monotonic_ns()}@example.com", "password": PASSWORD}
    request = urllib.request.Request(
        f"{url}/register",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        token: str = json.load(answer)["access_token"]
    return token


if __name__ == "__main__":
    sys.exit(main())
