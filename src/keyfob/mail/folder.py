"""The substitute for a mail server: mails are logged, and kept in the data folder."""

import asyncio
import os
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from keyfob.core.clock import Clock
from keyfob.core.secrets import random_text
from keyfob.core.telemetry import Shown, mask_email
from keyfob.mail.message import Letter
from keyfob.outbox.errors import TryAgain

log = structlog.get_logger("keyfob.mail")

_KEPT = timedelta(days=30)


class MailFolder:
    """Keeps each mail as `<id>.eml`, readable for its owner alone, and shows it in the log.

    Only here does the log contain links, so that a newcomer can follow them.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    async def carry(self, letter: Letter, *, patient: bool = False) -> None:
        """Keep and show one mail.

        Raises:
            TryAgain: the folder is not writable.
        """
        path = self._folder / f"{letter.id}.eml"
        try:
            await asyncio.to_thread(self._keep, path, letter.content)
        except OSError as fault:
            reason = f"the mail cannot be kept in {self._folder}: {fault.strerror}"
            raise TryAgain(reason, for_all=True) from fault
        log.info(
            "mail_kept",
            to=mask_email(letter.to),
            subject=letter.written.subject,
            text=Shown(letter.written.text),
            link=Shown(letter.written.link or ""),
            path=str(path),
        )

    async def greet(self, sender: str) -> None:
        """Check that the folder is writable.

        Raises:
            TryAgain: it is not.
        """
        try:
            await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        except OSError as fault:
            raise TryAgain(f"{self._folder} cannot be made: {fault.strerror}") from fault

    async def delete_old(self) -> None:
        """Delete mails that were kept for more than 30 days."""
        await asyncio.to_thread(self._delete_before, self._clock.now() - _KEPT)

    def _keep(self, path: Path, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Written completely under another name first: nobody reads half a mail.
        draft = path.with_suffix(f".{random_text(6)}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def _delete_before(self, moment: datetime) -> None:
        if not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            if path.stat().st_mtime < moment.timestamp():
                path.unlink(missing_ok=True)
