"""Deleting an account: the person is removed, the events stay in the logs."""

import asyncio
from uuid import UUID

from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.waiting import until, until_somebody_waits
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.accounts.email import Email
from keyfob.audit.service import Audit
from keyfob.authority.models import Role
from keyfob.core.database import Database
from keyfob.core.problems import Problem
from keyfob.devices.source import Source
from keyfob.login.service import Login
from keyfob.sessions.service import Sessions, SessionTokens
from keyfob.settings import Settings

HOME = "2001:db8:abcd::17"
DEVICE = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


async def delete(world: World, admin: SignedIn, user_id: UUID) -> None:
    answer = await world.api.delete(f"/admin/users/{user_id}", headers=admin.headers)
    assert (answer.status_code, answer.content) == (204, b"")


async def tables_that_hold(db: Database, text: str) -> set[str]:
    """Search every row of every table, as the thief of a dump would."""
    tables = await db.fetch(
        """
        SELECT relname FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
        """
    )
    return {
        table["relname"]
        for table in tables
        if await db.fetchval(
            f"SELECT EXISTS (SELECT FROM {table['relname']} AS t WHERE t::text ILIKE $1)",
            f"%{text}%",
        )
    }


async def test_nothing_personal_is_left_in_any_table(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    ada = {"email": "Ada.Lovelace@Example.com", "password": PASSWORD}
    home = world.client(HOME, **{"user-agent": DEVICE})
    registered = SignedIn.of(await home.post("/register", json={**ada, "name": "Ada Lovelace"}))
    user_id = UUID((await world.me(registered)).json()["id"])
    await world.api.patch(
        f"/admin/users/{user_id}", json={"name": "Ada King"}, headers=admin.headers
    )
    signed_in = await world.log_in("Ada.Lovelace@Example.com", by=home)
    await world.attempt_login("Ada.Lovelace@Example.com", "a wrong one", by=home)
    clock.advance(30)
    await home.get("/me", headers=signed_in.headers)
    await world.wiring.worker.last()
    personal = ["ada.lovelace", "Lovelace", "King", HOME, "Firefox"]
    assert all([await tables_that_hold(world.db, text) for text in personal])

    await delete(world, admin, user_id)

    assert [await tables_that_hold(world.db, text) for text in personal] == [set()] * 5
    # That somebody signed in stays, and who removed what, by an id that names nobody; for minutes
    # also that no token of theirs is good.
    assert await tables_that_hold(world.db, str(user_id)) == {"audit_events", "revocations"}
    assert {(row["outcome"], row["reason"]) for row in await world.login_log()} == {
        ("succeeded", "registered"),
        ("succeeded", "password"),
        ("refused", "wrong_password"),
        ("ended", "deleted"),
    }
    assert [row["user_id"] for row in await world.login_log()].count(None) == 4


async def test_an_administrator_s_deeds_stay_and_their_addresses_go(
    world: World, admin: SignedIn
) -> None:
    other = await world.make_user("other@example.com", role=Role.ADMIN)
    as_other = await world.log_in("other@example.com")
    bob = await world.make_user("bob@example.com")
    for caller, name in ((as_other, "Bob"), (admin, "Robert")):
        await world.client(HOME, **caller.headers).patch(f"/admin/users/{bob}", json={"name": name})

    await delete(world, admin, other)

    *_, by_other, by_admin, deletion = await world.audit_log()
    assert (by_other["actor_id"], by_other["ip_address"]) == (other, None)
    assert str(by_admin["ip_address"]) == HOME
    assert deletion["action"] == "user.deleted"
    assert (await world.service(Audit).verify()).broken_at is None


async def test_everybody_else_s_data_stays(world: World, admin: SignedIn) -> None:
    bob = await world.make_user("bob@example.com", name="Bob")
    bobs = await world.log_in("bob@example.com")
    ada = await world.make_user("ada@example.com")
    await world.log_in("ada@example.com")

    await delete(world, admin, ada)

    assert (await world.me(bobs)).json()["name"] == "Bob"
    assert (await world.refresh(bobs.refresh)).status_code == 200
    logins = await world.api.get(f"/admin/users/{bob}/logins", headers=admin.headers)
    assert [login["email"] for login in logins.json()] == ["bob@example.com"]


async def test_it_is_recorded_with_who_did_it_and_what_was(world: World, admin: SignedIn) -> None:
    root = (await world.me(admin)).json()["id"]
    ada = await world.make_user("ada@example.com", role=Role.MODERATOR, name="Ada")

    await delete(world, admin, ada)

    event = (await world.audit_log())[-1]
    assert (event["action"], str(event["actor_id"]), event["target_id"]) == (
        "user.deleted",
        root,
        ada,
    )
    assert (event["old_values"], event["new_values"]) == (
        {"role": "moderator", "status": "active"},
        {},
    )


async def test_the_address_is_free_again_for_a_new_account(world: World, admin: SignedIn) -> None:
    ada = await world.make_user("ada@example.com", name="Ada")
    await delete(world, admin, ada)

    answer = await world.api.post(
        "/register", json={"email": "ada@example.com", "password": PASSWORD}
    )

    me = (await world.me(SignedIn.of(answer))).json()
    assert (me["name"], me["id"] == str(ada)) == (None, False)


async def test_its_sessions_end_everywhere(settings: Settings, clock: MovableClock) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        admin = await one.make_admin()
        ada = await one.make_user("ada@example.com")
        first, second = await one.log_in(), await two.log_in()
        assert [(await world.me(second)).status_code for world in (one, two)] == [200, 200]

        await delete(one, admin, ada)

        assert (await one.me(first)).status_code == 401
        assert (await one.me(second)).status_code == 401
        await until(lambda: refused(two, first))
        await until(lambda: refused(two, second))
        for world, signed_in in ((one, second), (two, first)):
            answer = await world.refresh(signed_in.refresh)
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token")
        again = await one.api.delete(f"/admin/users/{ada}", headers=admin.headers)
        assert again.status_code == 404


async def refused(world: World, signed_in: SignedIn) -> bool:
    return (await world.me(signed_in)).status_code == 401


async def test_a_sign_in_that_commits_meanwhile_does_not_outlive_its_account(
    world: World, admin: SignedIn
) -> None:
    ada = await world.make_user("ada@example.com", role=Role.ADMIN)

    async with world.db.begin() as tx:
        as_ada = await world.open_session(tx, ada, Source(HOME, DEVICE))
        deletion = asyncio.create_task(delete(world, admin, ada))
        await until_somebody_waits(world.db)
    await deletion

    listed = await world.api.get("/admin/users", headers=as_ada.headers)
    assert listed.status_code == 401
    assert (await world.refresh(as_ada.refresh)).status_code == 401


async def test_an_account_deleted_while_its_password_is_checked_keeps_no_session(
    world: World, admin: SignedIn
) -> None:
    ada = await world.make_user("ada@example.com")
    login = world.service(Login)

    async with world.db.begin() as tx:
        await world.service(Sessions).open(tx, ada, Source(HOME, DEVICE))
        deletion = asyncio.create_task(delete(world, admin, ada))
        await until_somebody_waits(world.db)
        attempt = asyncio.create_task(
            login.with_password(
                Email.parse("ada@example.com"), SecretStr(PASSWORD), Source(HOME, DEVICE)
            )
        )
    await asyncio.wait({deletion, attempt})

    if attempt.exception() is None:  # it came first, and was ended
        tokens = world.service(SessionTokens).write(attempt.result())
        assert (await world.refresh(tokens.refresh_token)).status_code == 401
    else:
        assert isinstance(attempt.exception(), Problem)
    assert await world.db.fetchval("SELECT count(*) FROM sessions") == 1  # the administrator's


async def test_deleting_and_changing_at_once_never_deadlock(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        admin = await one.make_admin()
        for number in range(15):
            email = f"u{number}@example.com"
            user_id = await one.make_user(email, role=Role.ADMIN)
            for _ in range(3):
                await one.log_in(email)

            path = f"/admin/users/{user_id}"
            answers = await asyncio.gather(
                one.api.delete(path, headers=admin.headers),
                two.api.patch(path, json={"role": "user"}, headers=admin.headers),
                one.api.delete(f"{path}/logout-all", headers=admin.headers),
                two.attempt_login(email),
            )

            deleted, changed, signed_out, signed_in = (a.status_code for a in answers)
            assert deleted == 204
            assert changed in {200, 404}
            assert signed_out in {204, 404}
            assert signed_in in {200, 401, 403}
            assert (
                await one.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == 1
            )


async def test_what_is_still_in_memory_of_a_deleted_account_is_dropped(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    ada = await world.make_user("ada@example.com")
    await world.log_in()
    clock.advance(10)
    await delete(world, admin, ada)

    await world.wiring.worker.last()

    assert await world.db.fetchval("SELECT count(*) FROM user_activity") == 1
