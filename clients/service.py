"""The service for trials of clients and verifiers."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator

PASSWORD = "correct horse battery"

_GREETING = re.compile(r"Keyfob serves on (http://localhost:\d+/auth)/")


@contextlib.contextmanager
def service(**settings: str) -> Iterator[str]:
    """Run the service on a free port, with a database of its own, and yield its URL.

    Args:
        settings: further variables.
    """
    with tempfile.TemporaryDirectory() as data:
        given = {
            "KEYFOB_DATA_DIR": data,
            "KEYFOB_METRICS": "false",
            "KEYFOB_LIMITS": "off",
            "KEYFOB_BCRYPT_COST": "4",
            **settings,
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
            # Its output is read from now on, so that it never blocks.
            threading.Thread(target=(process.stderr or sys.stdin).read, daemon=True).start()
            return found[1]
    raise SystemExit("the service did not start:\n" + "".join(said))
