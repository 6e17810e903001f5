"""After the erasure nothing personal remains: a dump of the whole database is searched for it."""

import asyncio
import base64
import os
import subprocess
from uuid import UUID

import httpx
import pytest
from tests.fixtures import passkeys
from tests.fixtures.apps import make_app
from tests.fixtures.clock import MovableClock
from tests.fixtures.device_apps import be_asked_by_device
from tests.fixtures.factors import add_totp, wrong_code
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import PASSWORD, SignedIn, World
from tests.web.account_pages import signed_in

from keyfob.audit.service import Audit
from keyfob.core.locales import Locale
from keyfob.devdb.programs import Account, Programs
from keyfob.mail.mails import NewSignIn
from keyfob.mail.models import Recipient
from keyfob.mail.service import Mail
from keyfob.outbox.service import Outbox
from keyfob.own_account.erasure import OwnErasure
from keyfob.settings import Settings

HOME = "2001:db8:abcd::17"
OFFICE = "198.51.100.23"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile Safari/604.1"

# Everything that a person types or is known by, as it could stand in a row.
PLANTED = {
    "address as typed": "Ada.Lovelace",
    "address as compared": "ada.lovelace@personal.example",
    "address that was asked for": "Countess.Ada",
    "address of before": "Augusta.Byron",
    "name": "Ada Lovelace",
    "name of before": "Augusta Ada Byron",
    "time zone": "Antarctica/Troll",
    "factor": "Ada's telephone",
    "factor of before": "Ada's abacus",
    "passkey": "Ada's signet ring",
    "API key": "Ada's analytical engine",
    "address at home": HOME,
    "address at the office": OFFICE,
    "browser": "Firefox",
    "telephone": "iPhone",
    "words of a queued mail": "Ada's place",
}
# Tables whose names are of programs.
OF_PROGRAMS = ["clients", "resources", "roles"]
# What is masked when it is written keeps a first letter and a domain (docs/personal-data.md).
MASKED = {"a***@personal.example", "a***@before.example"}


def dump(dsn: str) -> str:
    """Return the whole database as SQL, schema and data."""
    programs = Programs.for_account(Account(os.getuid(), os.getgid(), borrowed=False))
    done = subprocess.run(
        [programs.folder / "pg_dump", "--no-owner", dsn], capture_output=True, text=True, check=True
    )
    return done.stdout


def spellings(text: str) -> list[str]:
    """Return how a text could stand in a dump: plain, as bytea, as JSON, in base64."""
    plain = text.encode()
    return [
        text.lower(),
        plain.hex(),
        plain.lower().hex(),
        base64.b64encode(plain).decode().rstrip("=")[:-1].lower(),
        text.replace("'", "''").lower(),
    ]


def found_in(text: str, wanted: dict[str, str]) -> set[str]:
    """Return the wanted texts that are in a dump, in any spelling."""
    text = text.lower()
    return {name for name, value in wanted.items() if any(one in text for one in spellings(value))}


async def live(world: World, mailbox: Mailbox, clock: MovableClock) -> tuple[UUID, SignedIn]:
    """Do all that a user can do, so that every table that may hold them does."""
    home = world.client(HOME, **{"user-agent": BROWSER})
    office = world.client(OFFICE, **{"user-agent": PHONE})
    before = {"email": "Augusta.Byron@before.example", "password": PASSWORD}
    registered = SignedIn.of(
        await home.post("/register", json={**before, "name": "Augusta Ada Byron"})
    )
    user_id = UUID((await world.me(registered)).json()["id"])
    profile = {"name": "Ada Lovelace", "timezone": "Antarctica/Troll", "locale": "ru"}
    await home.patch("/me", json=profile, headers=registered.headers)

    new = "Ada.Lovelace@Personal.example"
    await home.post("/me/email", json={"email": new}, headers=registered.headers)
    (token,) = (await mailbox.next(to="Ada.Lovelace@personal.example")).tokens()
    moved = await home.post("/me/email/confirm", json={"token": token}, headers=registered.headers)
    assert moved.status_code == 204

    async with signed_in(world, new, **{"user-agent": BROWSER}) as browser:
        app = await make_app(world)
        await app.tokens(browser)

    await world.attempt_login(new, "a wrong one", by=office)
    abroad = await world.log_in(new, by=office)
    await office.delete("/logout", headers=abroad.headers)
    await home.get("/me/export", headers=registered.headers)

    ada = SignedIn.of(
        await home.post(
            "/me/password",
            json={"current_password": PASSWORD, "password": "another long phrase"},
            headers=registered.headers,
        )
    )
    await be_asked_at(home, world, new)  # only now: a changed password forgets which devices ask
    abacus = await add_totp(world, ada, clock, "Ada's abacus")
    ada = SignedIn.of(await world.refresh(ada.refresh))
    renamed = await home.patch(
        f"/me/factors/{abacus.id}", json={"name": "Ada's telephone"}, headers=ada.headers
    )
    assert renamed.status_code == 200
    added = await passkeys.add(world, ada, name="Ada's signet ring")
    assert added.status_code == 201

    key = {"name": "Ada's analytical engine", "scope": ["account:read"]}
    made = await home.post("/me/api-keys", json=key, headers=ada.headers)
    assert made.status_code == 201
    await world.db.execute(
        "INSERT INTO roles VALUES ('support', '{users:read}', now(), now()) ON CONFLICT DO NOTHING"
    )
    await world.db.execute(
        "INSERT INTO user_roles (user_id, role, given_at) VALUES ($1, 'support', now())", user_id
    )

    # What waits: a sign-in between two factors, links, a mail that is queued, one given up.
    pending = (await world.attempt_login(new, "another long phrase", by=office)).json()
    assert pending["code"] == "mfa_required"
    await office.post(
        "/login/mfa", json={"mfa_token": pending["mfa_token"], "code": wrong_code(abacus)}
    )
    await mailbox.settled(world)
    await home.post("/recover/request", json={"email": new})
    await home.post("/me/email", json={"email": "Countess.Ada@x.example"}, headers=ada.headers)
    await mailbox.settled(world)
    async with world.db.begin() as tx:
        mine = Recipient(new, Locale.RUSSIAN, user_id, "Ada Lovelace")
        notice = NewSignIn(address=HOME, device=None, place={"ru": "Ada's place"})
        await world.service(Mail).send(tx, mine, notice)
        await world.service(Outbox).add(tx, "never.done", {"name": "Ada Lovelace"}, user_id=user_id)
    await home.post("/me/factors/passkeys/options", headers=ada.headers)
    clock.advance(30)
    await home.get("/me", headers=ada.headers)
    # As of an app that hears of the end of a sign-in; it is far away from here.
    await world.db.execute(
        """
        INSERT INTO app_sign_ins (session_id, client_id, user_id, expires_at)
        SELECT id, $1, user_id, now() + interval '9 years' FROM sessions WHERE user_id = $2 LIMIT 1
        """,
        app.id,
        user_id,
    )
    await world.wiring.worker.last()
    return user_id, ada


async def be_asked_at(home: httpx.AsyncClient, world: World, email: str) -> None:
    """Leave a device at home waiting for a user who has typed its code."""
    browsers = {"user-agent": BROWSER}
    async with signed_in(world, email, "another long phrase", **browsers) as browser:
        await be_asked_by_device(world, browser, by=home)


async def bury_what_waits(world: World) -> None:
    """Turn the jobs of the outbox into dead letters, as a refusing mail server would."""
    await world.db.execute(
        "UPDATE outbox SET failed_at = created_at, last_error = '550 no' WHERE failed_at IS NULL"
    )


@pytest.mark.parametrize("way", ["their own wish", "an administrator"])
async def test_nothing_personal_remains_in_a_dump(
    mailbox: Mailbox, settings: Settings, clock: MovableClock, empty_dsn: str, way: str
) -> None:
    limited = settings.model_copy(update={"limits": "on"})
    async with World(limited, clock) as world:
        admin = await world.make_admin()
        user_id, ada = await live(world, mailbox, clock)
        changed = await world.api.patch(
            f"/admin/users/{user_id}", json={"role": "moderator"}, headers=admin.headers
        )
        assert changed.status_code == 200
        ada = SignedIn.of(await world.refresh(ada.refresh))
        assert await world.db.fetchval("SELECT count(*) FROM outbox") > 0
        await bury_what_waits(world)
        # Not in this loop: what a dump waits for may be a transaction of this very service.
        with_them = await asyncio.to_thread(dump, empty_dsn)
        # Sealed: what mails say. Not kept: what was only asked of another address.
        assert set(PLANTED) - found_in(with_them, PLANTED) == {
            "words of a queued mail",
            "address of before",
            "name of before",
            "factor of before",
        }

        if way == "an administrator":
            answer = await world.api.delete(f"/admin/users/{user_id}", headers=admin.headers)
            assert answer.status_code == 204
        else:
            answer = await world.api.delete("/me", headers=ada.headers)
            assert answer.status_code == 202, answer.text
            clock.advance(days=14)
            await world.service(OwnErasure).erase_due()
        last = await mailbox.next(to="Ada.Lovelace@personal.example", subject="удал")
        assert last.tokens() == []
        await mailbox.settled(world)

        without_them = await asyncio.to_thread(dump, empty_dsn)
        assert found_in(without_them, PLANTED) == set()
        assert "root@example.com" in without_them  # it is the dump, and of the whole
        assert {masked for masked in MASKED if masked in without_them} == MASKED
        # Their id names nobody by now; it stays where it says what was done, and for minutes where
        # it says that no token of theirs is good.
        events = [
            str(event["id"])
            for event in await world.audit_log()
            if user_id in {event["actor_id"], event["target_id"]}
        ]
        lines = [line for line in without_them.splitlines() if str(user_id) in line]
        holding = [line for line in lines if not line.endswith(f"{user_id}\tsubject")]
        assert len(lines) - len(holding) <= 1
        assert len(holding) == len(events)
        assert all(any(event in line for event in events) for line in holding)
        assert (await world.service(Audit).verify()).broken_at is None


async def test_no_table_was_left_empty_by_this_test(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    """A table that comes to hold something personal must be filled above, or it is not searched."""
    async with World(settings.model_copy(update={"limits": "on"}), clock) as world:
        await live(world, mailbox, clock)
        tables = await world.db.fetch(
            """
            SELECT DISTINCT table_name FROM information_schema.columns
             WHERE table_schema = 'public'
               AND column_name IN ('user_id', 'email', 'ip_address', 'actor_id', 'name')
               AND table_name !~ '_(default|\\d{4}_\\d{2})$'
               AND table_name <> ALL($1)
            """,
            OF_PROGRAMS,
        )
        empty = [
            row["table_name"]
            for row in tables
            if not await world.db.fetchval(f"SELECT EXISTS (SELECT FROM {row['table_name']})")
        ]

    assert len(tables) >= 8
    assert empty == []
