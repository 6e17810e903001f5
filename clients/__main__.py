"""`python -m clients [LANGUAGE ...]`: generate, compile and use a client in each language."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.fixtures.certificates import make_certificate

from clients.languages import LANGUAGES, Command, Language
from clients.service import PASSWORD, service

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".clients"

# Programs of MCP are registered by nobody, and ask for the API of the servers in clients/mcp-*.
# Apps that hear of sign-outs are of this machine.
_SETTINGS = {
    "KEYFOB_ADMIN_PASSWORD": PASSWORD,
    "KEYFOB_CLIENT_DOCUMENTS": "true",
    "KEYFOB_DYNAMIC_REGISTRATION": "open",
    "KEYFOB_OUTBOUND_ALLOW": "localhost,127.0.0.1,::1",
    "KEYFOB_SELF_REGISTERED_RESOURCES": "http://127.0.0.1:9317/mcp,http://127.0.0.1:9327/mcp",
}


def main() -> int:
    """Run them, report on each, and return 1 if one does not work."""
    parser = argparse.ArgumentParser(prog="python -m clients", description=__doc__)
    names = [language.name for language in LANGUAGES]
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE", help=f"of {', '.join(names)}")
    wanted = parser.parse_args().languages or names
    if unknown := set(wanted) - set(names):
        parser.error(f"no such language: {', '.join(sorted(unknown))}")
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "openapi.json").open("w") as schema:
        subprocess.run([sys.executable, "-m", "keyfob.cli", "openapi"], stdout=schema, check=True)
    certificate = make_certificate(FOLDER)
    with tempfile.TemporaryDirectory() as data:
        settings = {
            **_SETTINGS,
            "KEYFOB_DATA_DIR": data,
            "KEYFOB_OUTBOUND_CA_FILE": str(certificate.path),
        }
        with service(**settings) as url:
            given = {**settings, "KEYFOB_URL": url}
            worked = [_try(language, given) for language in LANGUAGES if language.name in wanted]
    return 0 if all(worked) else 1


def _try(language: Language, given: dict[str, str]) -> bool:
    """Generate, compile and use one client; a missing tool is reported, but is no error."""
    if lacks := language.lacks():
        print(f"{language.name:12} not tried: needs {', '.join(lacks)}", flush=True)
        return True
    folder = FOLDER / language.name
    language.lay(folder)
    environment = {
        **os.environ,
        **given,
        "PYTHONPATH": str(ROOT),
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
    """Return the committed files except the programs; downloads depend on them."""
    files = sorted(Path(__file__).parent.glob("*/*"))
    return "\n".join(
        each.read_text("utf-8")
        for each in files
        if each.stem.lower() != "use" and each.parent.name != "__pycache__" and each.is_file()
    )


if __name__ == "__main__":
    sys.exit(main())
