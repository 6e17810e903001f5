"""A populated database from before the first proof: the values that its accounts get."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr
from tests.fixtures.authenticator import Passkey
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import Authenticator, add_totp, ask_for_factor, show_factor
from tests.fixtures.links import (
    ADA,
    OTHER,
    ask,
    confirm_email,
    recover,
    recovery_token,
    sign_up,
    token_from,
)
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.passkeys import own_passkey, sign_in
from tests.fixtures.postgres import migrate
from tests.fixtures.waiting import until
from tests.fixtures.world import PASSWORD, SignedIn, World

import keyfob.migrations
from keyfob.migrations.head import HEAD
from keyfob.settings import Settings

pytestmark = pytest.mark.slow

VERSIONS = Path(keyfob.migrations.__file__).parent / "versions"
(FIRST,) = VERSIONS.glob("*_first_proof.py")
BEFORE = f"-{int(HEAD) - int(FIRST.name[:4]) + 1}"  # to before anybody knew of the first proof
(KNOWN,) = VERSIONS.glob("*_known_since.py")
BEFORE_KNOWN = f"-{int(HEAD) - int(KNOWN.name[:4]) + 1}"
EVES = "the stranger's own"
WAITING = "waiting@example.com"


@pytest.fixture
def old(settings: Settings, migrated_dsn: str, tmp_path: Path) -> Settings:
    """Settings for a database of this test's own."""
    database = SecretStr(migrated_dsn)
    return settings.model_copy(update={"database_url": database, "data_dir": tmp_path})


async def live_as_before(old: Settings, clock: MovableClock) -> tuple[Passkey, Authenticator]:
    """Leave what a service in `off` has left: among it a stranger with Ada's address and factors.

    The database is of the revision before, then.
    """
    async with World(old, clock) as world:
        await world.make_user("proven@example.com", name="Proven")
        root = await world.make_admin()
        for body in (
            {"email": "invited@example.com", "role": "moderator"},
            {"email": "made@example.com", "password": PASSWORD},
        ):
            made = await world.api.post("/admin/users", json=body, headers=root.headers)
            assert made.status_code == 201
        eve = SignedIn.of(await sign_up(world, password=EVES, name="Eve"))
        await world.db.execute("UPDATE users SET email_verified_at = now() WHERE email = $1", ADA)
        passkey = await own_passkey(world, eve)
        eve = SignedIn.of(await world.refresh(eve.refresh))
        app = await add_totp(world, eve, clock)
        await world.db.execute("UPDATE users SET email_verified_at = NULL WHERE email = $1", ADA)
        await world.wiring.runner.stop()
    async with World(old.model_copy(update={"verify_email": "required"}), clock) as required:
        await sign_up(required, WAITING, name="Waiting", headers={"Accept-Language": "ru"})
        await until(
            lambda: required.db.fetchval("SELECT true FROM users WHERE email = $1", WAITING)
        )
    clock.advance(60)
    await asyncio.to_thread(migrate, old.dsn, BEFORE)
    return passkey, app


async def test_what_is_known_of_accounts_that_were_there(
    old: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    await live_as_before(old, clock)

    await asyncio.to_thread(migrate, old.dsn)

    async with World(old, clock) as world:
        await mailbox.settled(world)
        rows = await world.db.fetch(
            "SELECT email, first_proven_at = email_verified_at AS proven, registered_itself"
            "  FROM users ORDER BY email"
        )
        assert [tuple(row) for row in rows] == [
            (ADA, None, True),
            ("invited@example.com", None, False),
            ("made@example.com", None, False),
            ("proven@example.com", True, False),
            ("root@example.com", True, False),
            (WAITING, None, True),
        ]


async def test_factors_of_an_unproven_account_work_until_its_owner_comes(
    old: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    passkey, app = await live_as_before(old, clock)
    await asyncio.to_thread(migrate, old.dsn)

    async with World(old, clock) as world:
        waiting = await ask_for_factor(world, password=EVES)
        assert (await show_factor(world, waiting, code=app.code())).status_code == 200
        assert (await sign_in(world, passkey)).status_code == 200
        await ask(world, "/recover/request")
        token = await token_from(mailbox, subject="Choose a new password")

        assert (await recover(world, token)).status_code == 204

        assert (await sign_in(world, passkey)).status_code == 401
        me = (await world.me(await world.log_in(password=OTHER))).json()
        assert (me["email_verified"], me["name"]) == (True, None)


async def test_a_sign_up_that_waited_keeps_its_password_name_and_language(
    old: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    await live_as_before(old, clock)
    await asyncio.to_thread(put_sign_up_as_before, old.dsn)
    await asyncio.to_thread(migrate, old.dsn)

    async with World(old.model_copy(update={"verify_email": "required"}), clock) as world:
        token = await token_from(mailbox, WAITING)
        signed_in = SignedIn.of(await confirm_email(world, token, PASSWORD))
        me = (await world.me(signed_in)).json()
        assert (me["name"], me["locale"]) == ("Waiting", "ru")


async def test_the_name_of_a_sign_up_that_waited_goes_to_no_other(
    old: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    """The owner signs up after the upgrade, and says no name."""
    await live_as_before(old, clock)
    await asyncio.to_thread(put_sign_up_as_before, old.dsn)
    await asyncio.to_thread(migrate, old.dsn)

    async with World(old.model_copy(update={"verify_email": "required"}), clock) as world:
        await mailbox.settled(world)
        kept = await world.db.fetchval("SELECT name FROM users WHERE email = $1", WAITING)
        assert kept is None
        mailbox.mails.clear()
        await sign_up(world, WAITING, OTHER)
        token = await token_from(mailbox, WAITING)
        owner = SignedIn.of(await confirm_email(world, token, OTHER))
        assert (await world.me(owner)).json()["name"] is None


async def test_networks_stay_known_where_the_proof_had_ended_nothing(
    old: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    """In databases that knew the first proof already, and had removed earlier data."""
    async with World(old.model_copy(update={"verify_email": "optional"}), clock) as world:
        ada = SignedIn.of(await sign_up(world))
        await sign_up(world, "by-reader@example.com")
        clock.advance(60)
        assert (await confirm_email(world, await token_from(mailbox), by=ada)).status_code == 204
        assert (
            await recover(world, await recovery_token(world, mailbox, "by-reader@example.com"))
        ).status_code == 204
        await world.db.execute("UPDATE users SET known_since = NULL")
    await asyncio.to_thread(migrate, old.dsn, BEFORE_KNOWN)

    await asyncio.to_thread(migrate, old.dsn)

    async with World(old, clock) as world:
        rows = await world.db.fetch(
            "SELECT email, known_since = first_proven_at AS since_proof FROM users ORDER BY email"
        )
        assert [tuple(row) for row in rows] == [(ADA, None), ("by-reader@example.com", True)]


def put_sign_up_as_before(dsn: str) -> None:
    """Write the name of a sign-up where the previous release kept it: in the account."""

    async def put() -> None:
        connection = await asyncpg.connect(dsn)
        done = await connection.execute(
            "UPDATE users SET name = 'Waiting', locale = 'ru' WHERE email = $1", WAITING
        )
        assert done == "UPDATE 1"
        await connection.close()

    asyncio.run(put())


async def test_links_of_one_kind_are_one_again_on_the_way_down(
    old: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    async with World(old, clock) as world:
        await world.make_user()
        for _ in range(2):
            clock.advance(1)
            await ask(world, "/recover/request")
            await mailbox.settled(world)

    await asyncio.to_thread(migrate, old.dsn, BEFORE)
    await asyncio.to_thread(migrate, old.dsn)

    async with World(old, clock) as world:
        older, newer = [mail.tokens()[0] for mail in mailbox.mails]
        assert (await recover(world, older)).status_code == 400
        assert (await recover(world, newer)).status_code == 204
