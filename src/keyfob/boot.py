"""From what was configured to what can run: the secret key, the database, the schema, the admin."""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import structlog
from pydantic import SecretStr

from keyfob.admin.authority import Actor
from keyfob.admin.service import Administration
from keyfob.core import queries
from keyfob.core.authority import Role
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.encryption import CannotDecrypt
from keyfob.core.hosts import CannotConnect
from keyfob.core.problems import DatabaseUnavailable
from keyfob.core.secrets import random_text
from keyfob.devdb.errors import DevDbError
from keyfob.devdb.server import EmbeddedPostgres
from keyfob.migrations.head import HEAD
from keyfob.passwords.errors import WeakPassword
from keyfob.settings import MIN_KEY_LENGTH, Settings, WrongSetting
from keyfob.tokens.keyring import Keyring
from keyfob.users.email import Email
from keyfob.users.errors import EmailTaken
from keyfob.wiring import Wiring, build

log = structlog.get_logger("keyfob.boot")


class CannotMigrate(Exception):
    """The migration failed; the message is what Alembic said last."""


@contextmanager
def told_as(kind: type[Exception]) -> Iterator[None]:
    """Raise what stops a start as an exception of `kind`, with one line for the operator."""
    try:
        yield
    except (WrongSetting, DevDbError, CannotMigrate) as fault:
        raise kind(str(fault)) from None


@contextmanager
def complete(settings: Settings) -> Iterator[Settings]:
    """Give the settings a secret key and a database, the embedded one where none is configured.

    Raises:
        WrongSetting: a database of one's own needs a key of one's own.
        DevDbError: the embedded database does not start.
    """
    key = SecretStr(resolve_secret_key(settings))
    with database_of(settings) as dsn:
        yield settings.model_copy(update={"secret_key": key, "database_url": SecretStr(dsn)})


@contextmanager
def database_of(settings: Settings) -> Iterator[str]:
    """Give the URL of the database that the settings name, the embedded one running.

    Raises:
        DevDbError: the embedded database does not start.
    """
    if settings.database_url is not None:
        yield settings.dsn
        return
    embedded = EmbeddedPostgres(settings.data_dir)
    try:
        yield embedded.start()
    finally:
        embedded.stop()


def resolve_secret_key(settings: Settings) -> str:
    """Return the configured keyring, or the key of the data folder, made at the first start.

    Raises:
        WrongSetting: an external database, and no key: two instances would make two keys. Or the
            data folder cannot be used.
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
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make_key(path)
        key = path.read_text(encoding="ascii").strip()
    except OSError as fault:
        raise WrongSetting(f"KEYFOB_DATA_DIR: {path}: {fault.strerror}") from None
    if len(key) < MIN_KEY_LENGTH:
        raise WrongSetting(f"{path}: should hold at least {MIN_KEY_LENGTH} characters")
    return key


def _make_key(path: Path) -> None:
    # Written whole under another name first: a second process never reads half a key.
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


async def schema_is_current(settings: Settings) -> bool:
    """Tell whether the schema is at head, or newer.

    Raises:
        WrongSetting: the database's URL asks for what cannot be had.
        DatabaseUnavailable: the database does not answer.
    """
    db = Database(settings.dsn, pool_size=2, pooler=settings.database_pooler)
    await db.open()
    try:
        version = await queries.find_schema_version(db)
    except DatabaseUnavailable as away:
        if isinstance(away.__cause__, CannotConnect):
            raise WrongSetting(f"KEYFOB_DATABASE_URL: {away.__cause__}") from None
        raise
    finally:
        await db.close()
    return version is not None and version >= HEAD


def migrate(settings: Settings, target: str = "head") -> None:
    """Bring the schema to a revision, in a process of its own: a worker never holds SQLAlchemy.

    Raises:
        CannotMigrate: with what went wrong.
    """
    done = subprocess.run(  # noqa: S603 - our own program, no shell
        [sys.executable, "-m", "keyfob.migrations.run", target],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "KEYFOB_MIGRATE_DSN": settings.direct_dsn,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        # The last line is the fault, unless SQLAlchemy adds where to read about it.
        said = [line for line in done.stderr.splitlines() if line and not line.startswith("(Back")]
        raise CannotMigrate(f"the migration failed: {said[-1] if said else done.returncode}")


@asynccontextmanager
async def services_of(settings: Settings) -> AsyncIterator[Wiring]:
    """Lend every service of complete settings, without what runs beside requests.

    Raises:
        WrongSetting: a value cannot be used.
        DatabaseUnavailable: the database does not answer.
    """
    clock = Clock()
    wiring = build(settings, clock)
    await wiring.db.open()
    try:
        asked = time.monotonic()
        clock.follow(await queries.read_time(wiring.db), time.monotonic() - asked)
        yield wiring
    finally:
        await wiring.passwords.close()
        await wiring.limits.close()
        await wiring.db.close()


async def open_keys(keyring: Keyring) -> None:
    """See that the secret key is the one that this database was used with.

    Raises:
        WrongSetting: it is not. To go on would mix what two keys sealed, and break the audit chain.
    """
    try:
        await keyring.load()
    except CannotDecrypt as fault:
        raise WrongSetting(
            "KEYFOB_SECRET_KEY: should be the key that this database was used with, or have it "
            f"after a comma; a signing key cannot be opened: {fault}"
        ) from None


async def prepare(settings: Settings) -> tuple[str, str | None] | None:
    """See that the signing keys open, and make the first administrator if there is none.

    Returns the administrator's address, and the password if it was made here.

    Raises:
        WrongSetting: the secret key is another one, or the administrator's address or password
            cannot be used.
    """
    async with services_of(settings) as wiring:
        await open_keys(wiring.keyring)
        return await _make_first_admin(settings, wiring.services[Administration])


async def _make_first_admin(
    settings: Settings, administration: Administration
) -> tuple[str, str | None] | None:
    if await administration.users.has_admin():
        return None
    try:
        email = Email.parse(settings.admin_email)
    except ValueError as fault:
        raise WrongSetting(f"KEYFOB_ADMIN_EMAIL: {fault}") from None
    made = None if settings.admin_password else random_text(15)
    password = settings.admin_password or SecretStr(made or "")
    try:
        await administration.create(Actor(None), email, password, role=Role.ADMIN)
    except WeakPassword as weak:
        raise WrongSetting(f"KEYFOB_ADMIN_PASSWORD: {weak.detail}") from None
    except EmailTaken:
        # Of two instances that start at once, one makes the account.
        if not await administration.users.has_admin():
            log.warning("no_admin", cause="the account of KEYFOB_ADMIN_EMAIL has another role")
        return None
    return email.typed, made
