"""Print the files of src/keyfob that one sign-in with a password runs, one per line.

A service starts in this process, on an embedded database in a folder of its own, and a client signs
in over HTTP several times. A file counts if some of its functions are called each time, either
below the route's function and in the tasks that it starts, or in a thread that hashes. Code around
the route that every request runs is left out, and so is code that only the first sign-in runs.
"""

import asyncio
import os
import sys
import tempfile
import threading
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
from pydantic import SecretStr

import keyfob
from keyfob import boot
from keyfob.app import create_app
from keyfob.core.secrets import random_text
from keyfob.core.telemetry import configure_logging
from keyfob.login.routes import log_in
from keyfob.settings import PREFIX, Settings

SRC = Path(keyfob.__file__).parent.as_posix() + "/"
EMAIL = "ada@example.com"
TIMES = 4

# The task that sends the request; tasks that it starts inherit the value.
_request: ContextVar[asyncio.Task[Any] | None] = ContextVar("request", default=None)


def main() -> int:
    """Print the files, sorted."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    configure_logging("error", "console")
    with tempfile.TemporaryDirectory() as folder:
        for file in sorted(trace(Path(folder))):
            print(file)
    return 0


def trace(folder: Path) -> set[str]:
    """Return the files below src/keyfob that ran in every sign-in but the first.

    `folder`: the place of the database and the key.
    """
    sign_in = {"email": EMAIL, "password": random_text(15)}
    settings = Settings(
        _env_file=None,
        data_dir=folder,
        admin_email=EMAIL,
        admin_password=SecretStr(sign_in["password"]),
    )
    traced: list[set[str]] = []
    with boot.complete(settings, founding=True) as complete:
        boot.migrate(complete)
        asyncio.run(boot.prepare(complete))
        asyncio.run(_send(sign_in, complete, traced))
    return set.intersection(*traced[1:])


async def _send(sign_in: dict[str, str], settings: Settings, traced: list[set[str]]) -> None:
    def listen(frame: FrameType, event: str, _: object) -> None:
        file = frame.f_code.co_filename
        if event == "call" and traced and file.startswith(SRC) and _belongs(frame):
            traced[-1].add(file.removeprefix(SRC))

    app = create_app(settings)
    threading.setprofile(listen)  # for the threads that hash: they start with the first password
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://keyfob") as client,
    ):
        _request.set(asyncio.current_task())
        sys.setprofile(listen)
        for _ in range(TIMES):
            traced.append(set())
            answer = await client.post("/login", json=sign_in)
            answer.raise_for_status()
        sys.setprofile(None)
    threading.setprofile(None)


def _belongs(frame: FrameType | None) -> bool:
    """Tell whether a call is part of the sign-in, and not of another request or of a chore."""
    if threading.current_thread() is not threading.main_thread():
        return True
    request = _request.get()
    if request is None or asyncio.current_task() is not request:
        return request is not None
    while frame is not None and frame.f_code is not log_in.__code__:
        frame = frame.f_back
    return frame is not None


if __name__ == "__main__":
    sys.exit(main())
