"""Mails of a newcomer, who has no server yet: kept in a folder, and shown."""

import asyncio
import os
from pathlib import Path

import httpx
from tests.fixtures.clock import MovableClock
from tests.fixtures.logs import captured_log
from tests.fixtures.waiting import until
from tests.fixtures.world import World
from tests.mail.conftest import TOKEN, Send
from tests.mail.waiting_mails import tried

from keyfob.mail.delivery import Delivery


async def test_a_newcomer_s_mails_are_kept_and_shown(
    world: World, send: Send, tmp_path: Path, api: httpx.AsyncClient
) -> None:
    """With no mail server configured, the link is in the log and in a file."""
    with captured_log() as log:
        await send()
        await until(lambda: _is_kept(tmp_path))
        await until(lambda: _holds(bool(log.named("mail_kept"))))

    (path,) = (tmp_path / "mails").iterdir()
    (kept,) = log.named("mail_kept")
    assert kept["link"] == f"http://localhost:8000/auth/ui/recover#token={TOKEN}"
    assert kept["link"] in kept["text"]
    assert kept["path"] == str(path)
    assert kept["to"] == "a***@example.com"
    assert path.suffix == ".eml"
    assert b"To: ada@example.com\r\n" in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_on_a_terminal_a_newcomer_reads_the_mail_line_by_line(
    world: World, send: Send, tmp_path: Path
) -> None:
    with captured_log(style="console") as log:
        await send()
        await until(lambda: _holds("mail_sent" in log.getvalue()))

    assert f"http://localhost:8000/auth/ui/recover#token={TOKEN}" in log.lines
    assert TOKEN in log.lines


async def _is_kept(folder: Path) -> bool:
    await asyncio.sleep(0)
    return bool(list((folder / "mails").glob("*.eml")))


async def _holds(value: bool) -> bool:
    await asyncio.sleep(0)
    return value


async def test_a_folder_that_cannot_be_written_is_waited_for(
    world: World, send: Send, tmp_path: Path
) -> None:
    (tmp_path / "mails").write_text("in the way")
    await send()

    assert "cannot be kept" in (await tried(world))["last_error"]


async def test_old_mails_are_deleted_from_the_folder(
    world: World, send: Send, tmp_path: Path, clock: MovableClock
) -> None:
    carrier = world.service(Delivery).carrier
    await carrier.delete_old()  # where there is no folder yet
    await send()
    await until(lambda: _is_kept(tmp_path))
    (path,) = (tmp_path / "mails").glob("*.eml")
    age = clock.now().timestamp()

    for days, left in ((30, [path]), (31, [])):
        os.utime(path, (age - days * 86400, age - days * 86400))
        await carrier.delete_old()
        assert list((tmp_path / "mails").iterdir()) == left
