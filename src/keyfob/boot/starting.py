"""From complete settings to running services, and to the first administrator."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
from pydantic import SecretStr

from keyfob.accounts.email import Email
from keyfob.accounts.errors import EmailTaken
from keyfob.administration.authority import Actor
from keyfob.administration.service import Administration
from keyfob.authority.models import Role
from keyfob.boot.database import CannotMigrate, database_of, expect_database
from keyfob.boot.secret_key import resolve_secret_key
from keyfob.core import queries
from keyfob.core.clock import Clock
from keyfob.core.encryption import CannotDecrypt
from keyfob.core.feed import count_listeners
from keyfob.core.problems import InvalidInput
from keyfob.core.secrets import random_text
from keyfob.devdb.errors import DevDbError
from keyfob.devdb.server import EmbeddedPostgres
from keyfob.passwords.errors import WeakPassword
from keyfob.passwords.policy import PasswordPolicy
from keyfob.settings import Settings, WrongSetting
from keyfob.tokens.id_keys import USUAL_ALGORITHM
from keyfob.tokens.keyring import Keyring
from keyfob.wiring import Wiring, build

_SET_ISSUER = (
    "another instance uses this database; set KEYFOB_ISSUER, the same for all, or they refuse each "
    "other's tokens"
)

log = structlog.get_logger("keyfob.boot")


@contextmanager
def told_as(kind: type[Exception]) -> Iterator[None]:
    """Convert errors that stop a start to exceptions of `kind`, with one line for the operator."""
    try:
        yield
    except (WrongSetting, DevDbError, CannotMigrate) as fault:
        raise kind(str(fault)) from None


@contextmanager
def complete(settings: Settings, *, founding: bool = False) -> Iterator[Settings]:
    """Yield the settings with a secret key and a database, by default the embedded one.

    Args:
        settings: as configured.
        founding: whether to create a missing data folder, key and database. Only the service itself
            does that: a command in a wrong folder would find an empty one.

    Raises:
        WrongSetting: there is no database or no key, or an external database is configured without
            a key.
        DevDbError: the embedded database does not start.
    """
    if not founding:
        expect_database(settings)
    key = SecretStr(resolve_secret_key(settings, founding=founding))
    with database_of(settings, founding=founding) as dsn:
        yield settings.model_copy(update={"secret_key": key, "database_url": SecretStr(dsn)})


@asynccontextmanager
async def services_of(settings: Settings) -> AsyncIterator[Wiring]:
    """Lend all services for complete settings, without the tasks that run beside requests.

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
        await wiring.close()


async def open_keys(keyring: Keyring) -> None:
    """Check that the secret key is the one that this database was used with.

    Raises:
        WrongSetting: it is another. Going on would mix values that two keys have encrypted, and
            break the audit chain.
    """
    try:
        await keyring.load()
    except CannotDecrypt as fault:
        raise WrongSetting(
            "KEYFOB_SECRET_KEY: should be the key that this database was used with, or have it "
            f"after a comma; a signing key cannot be opened: {fault}"
        ) from None


async def prepare(settings: Settings) -> tuple[str, str | None] | None:
    """Check that the signing keys can be opened, and create the first administrator if needed.

    Returns the administrator's address, with the password if it was generated here; None if there
    was an administrator already.

    Raises:
        WrongSetting: the secret key is another one, or the administrator's address or password
            cannot be used.
    """
    async with services_of(settings) as wiring:
        keyring = wiring.services[Keyring]
        await open_keys(keyring)
        if settings.issuer is None and await count_listeners(wiring.db):
            log.warning("issuer_made_up", issuer=settings.issuer_url, advice=_SET_ISSUER)
        admin = await _make_first_admin(settings, wiring.services[Administration])
        if settings.pages:
            # Published before any app signs in: a client that has just read the keys finds it.
            await keyring.prepare(USUAL_ALGORITHM)
        return admin


def check_first_admin(settings: Settings) -> None:
    """Check, before an embedded database is created, that the first administrator can be created.

    Raises:
        WrongSetting: the address or the password cannot be used, or the data folder cannot.
    """
    if settings.database_url is not None or EmbeddedPostgres(settings.data_dir).exists():
        return
    email = _admin_email(settings)
    if settings.admin_password is not None:
        # The service of breached passwords is asked later, once.
        judging = PasswordPolicy().ensure_acceptable(
            settings.admin_password.get_secret_value(), email.normal
        )
        with _weakness_told():
            asyncio.run(judging)


def _admin_email(settings: Settings) -> Email:
    try:
        return Email.parse(settings.admin_email)
    except ValueError as fault:
        raise WrongSetting(f"KEYFOB_ADMIN_EMAIL: {fault}") from None


@contextmanager
def _weakness_told() -> Iterator[None]:
    try:
        yield
    except WeakPassword as weak:
        raise WrongSetting(f"KEYFOB_ADMIN_PASSWORD: {weak.detail}") from None


async def _make_first_admin(
    settings: Settings, administration: Administration
) -> tuple[str, str | None] | None:
    if await administration.accounts.has_admin():
        return None
    email = _admin_email(settings)
    made = None if settings.admin_password else random_text(15)
    password = settings.admin_password or SecretStr(made or "")
    try:
        with _weakness_told():
            await administration.create(Actor(None), email, password, role=Role.ADMIN)
    except InvalidInput as unfit:
        raise WrongSetting(f"KEYFOB_ADMIN_EMAIL: {unfit.errors[0]['detail']}") from None
    except EmailTaken:
        # Of two instances that start at once, one creates the account.
        if not await administration.accounts.has_admin():
            log.warning("no_admin", cause="the account of KEYFOB_ADMIN_EMAIL has another role")
        return None
    return email.typed, made
