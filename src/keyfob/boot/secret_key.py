"""The secret key: configured, or in the data folder, where the first start creates it."""

import asyncio
import os
from pathlib import Path

import structlog

from keyfob.boot.database import ONLY_SERVE
from keyfob.core.database import Database
from keyfob.core.secrets import random_text
from keyfob.devdb.server import EmbeddedPostgres
from keyfob.settings import MIN_KEY_LENGTH, Settings, WrongSetting
from keyfob.settings.files import read_short
from keyfob.tokens.keyring import was_used

log = structlog.get_logger("keyfob.boot")


def resolve_secret_key(settings: Settings, *, founding: bool = False) -> str:
    """Return the configured keyring, or the key of the data folder.

    Args:
        settings: the settings that name it.
        founding: whether to create a missing key; never for a database that was used with one.

    Raises:
        WrongSetting: there is no key, or the data folder cannot be used. Also if an external
            database is configured without a key: two instances would create two keys.
        DatabaseUnavailable: a key would be created, but the database that it is for does not
            answer.
    """
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    if settings.database_url is not None and not settings.make_secret_key:
        raise WrongSetting(
            "KEYFOB_SECRET_KEY: should be set when KEYFOB_DATABASE_URL is; make one with "
            "`openssl rand -base64 48` and give it to every instance"
        )
    path = settings.data_dir / "secret-key"
    try:
        if not path.exists():
            _found(settings, path, founding=founding)
        key = read_short(path, "ascii").strip()
    except OSError as fault:
        closed = isinstance(fault, PermissionError)
        advice = "; run this as the user who runs the service" if closed else ""
        raise WrongSetting(f"KEYFOB_DATA_DIR: {path}: {fault.strerror}{advice}") from None
    if len(key) < MIN_KEY_LENGTH:
        raise WrongSetting(f"{path}: should hold at least {MIN_KEY_LENGTH} characters")
    return key


def _found(settings: Settings, path: Path, *, founding: bool) -> None:
    # Asked before the second look at the file: of two first starts at once, the other may have
    # created the key and then used the database with it.
    if _was_used(settings) and not path.exists():
        raise WrongSetting(
            f"{path.absolute()} is missing, and the database was used with the key in it: put it "
            "back, or set KEYFOB_SECRET_KEY to it. If it is lost for good, docs/runbook.md tells "
            "what can be saved"
        )
    if not founding:
        raise WrongSetting(
            "there is no secret key: KEYFOB_SECRET_KEY is not set, and none is in "
            f"{path.absolute()} {ONLY_SERVE}"
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _make_key(path)


def _was_used(settings: Settings) -> bool:
    """Tell whether the database was used with a key, which the embedded one always was."""
    if settings.database_url is None:
        return EmbeddedPostgres(settings.data_dir).exists()

    async def ask() -> bool:
        db = Database(settings.dsn, pool_size=2, pooler=settings.database_pooler)
        await db.open()
        try:
            return await was_used(db)
        finally:
            await db.close()

    return asyncio.run(ask())


def _make_key(path: Path) -> None:
    # Written completely under another name first: no other process reads half a key.
    draft = path.with_suffix(f".{random_text(6)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(random_text(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
        log.warning("secret_key_made", path=str(path), advice="back it up with the database")
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
