"""The export: everything stored about a user, no secrets, and nothing about others."""

import asyncio
import gzip
import json
import re
import tracemalloc
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from tests.fixtures.asgi import call_raw
from tests.fixtures.clock import START, MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.programs import give_role
from tests.fixtures.statements import recorded_statements
from tests.fixtures.waiting import until
from tests.fixtures.world import PASSWORD, SignedIn, World, eventually

from keyfob.accounts.email import Email
from keyfob.authority.models import Authenticator, Role
from keyfob.core.addresses import share_of
from keyfob.devices.source import Source
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.outbox.service import Outbox
from keyfob.own_account import export as exporting
from keyfob.own_account.export_models import ExportOut
from keyfob.settings import Settings

HOME = "2001:db8:abcd::17"
DEVICE = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


async def export(world: World, caller: SignedIn, **headers: str) -> httpx.Response:
    return await world.api.get("/me/export", headers={**caller.headers, **headers})


async def document(world: World, caller: SignedIn) -> dict[str, Any]:
    answer = await export(world, caller)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def insert_logins(world: World, user_id: UUID, amount: int) -> None:
    """Write many sign-ins past the service, one a second, back from now."""
    await world.db.execute(
        """
        INSERT INTO login_events (id, at, user_id, outcome, reason, ip_address, device_type,
                                  browser, os)
        SELECT gen_random_uuid(), $2::timestamptz - n * interval '1 second', $1, 'refused',
               'wrong_password', '203.0.113.1', 'desktop', 'Firefox 128', 'Linux'
          FROM generate_series(1, $3::integer) AS n
        """,
        user_id,
        START,
        amount,
    )


async def test_it_is_everything_that_is_kept(world: World, clock: MovableClock) -> None:
    user_id = await world.make_user("Ada@Example.com", name="Ada King")
    home = world.client(HOME, **{"user-agent": DEVICE})
    ended = await world.log_in(by=home)
    await home.delete("/logout", headers=ended.headers)
    await world.attempt_login(password="a wrong one", by=home)
    ada = await world.log_in(by=home)
    await add_totp(world, ada, clock, "Telephone")
    ada = SignedIn.of(await world.refresh(ada.refresh))
    async with world.db.begin() as tx:
        await world.service(OneTimeTokens).issue(
            tx, user_id, Kind.CHANGE_EMAIL, email=Email.parse("New@Example.org")
        )
        await world.service(Outbox).add(tx, "never.done", {"email": "x"}, user_id=user_id)
    await give_role(world, ada, "logins:read")
    key = {"name": "Backup", "scope": ["account:read"]}
    await world.api.post("/me/api-keys", json=key, headers=ada.headers)
    await world.api.patch("/me", json={"timezone": "Europe/London"}, headers=ada.headers)

    got = await document(world, ada)

    # Field by field what OpenAPI says it is.
    assert ExportOut.model_validate(got).model_dump(mode="json") == got
    assert got["exported_at"] == "2026-11-22T12:00:00Z"
    account = got["account"]
    assert (account["id"], account["email"], account["email_normal"], account["name"]) == (
        str(user_id),
        "Ada@Example.com",
        "ada@example.com",
        "Ada King",
    )
    assert (account["timezone"], account["has_password"], account["erase_at"]) == (
        "Europe/London",
        True,
        None,
    )
    (factor,) = got["factors"]
    assert (factor["type"], factor["name"]) == ("totp", "Telephone")
    assert got["recovery_codes_left"] == 10
    assert [(one["role"], one["expires_at"]) for one in got["roles"]] == [("clerk", None)]
    assert [(one["name"], one["scope"]) for one in got["api_keys"]] == [
        ("Backup", ["account:read"])
    ]
    (link,) = got["links"]
    assert (link["kind"], link["email"]) == ("change_email", "New@Example.org")
    assert "never.done" in {job["kind"] for job in got["queued"]}
    assert sorted(session["ended_at"] is None for session in got["sessions"]) == [False, True]
    assert {session["ip_address"] for session in got["sessions"]} == {HOME}
    assert {session["browser"] for session in got["sessions"]} == {"Firefox 128"}
    assert sorted((login["outcome"], login["reason"]) for login in got["logins"]) == [
        ("ended", "logout"),
        ("refused", "wrong_password"),
        ("succeeded", "password"),
        ("succeeded", "password"),
    ]
    actions = {(event["action"], event["by"], event["about"]) for event in got["audit"]}
    assert ("user.created", "the service", "you") in actions


async def test_it_tells_when_the_account_is_to_be_erased(
    world: World, ada: SignedIn, settings: Settings
) -> None:
    planned = await world.api.delete("/me", headers=ada.headers)

    got = await document(world, ada)

    assert got["account"]["erase_at"] == planned.json()["erase_at"]


async def test_it_holds_nothing_secret(world: World, clock: MovableClock) -> None:
    user_id = await world.make_user()
    ada = await world.log_in()
    app = await add_totp(world, ada, clock)
    ada = SignedIn.of(await world.refresh(ada.refresh))
    async with world.db.begin() as tx:
        link = await world.service(OneTimeTokens).issue(tx, user_id, Kind.RECOVER)
        await world.service(Outbox).add(tx, "never.done", {"token": link}, user_id=user_id)

    answer = (await export(world, ada)).raise_for_status()

    secrets: set[str] = {app.secret, link, ada.access, ada.refresh, PASSWORD, *app.recovery_codes}
    for table, columns in {
        "users": ["password_hash"],
        "sessions": ["secret_hash"],
        "factors": ["secret"],
        "recovery_codes": ["code_hash"],
        "one_time_tokens": ["token_hash"],
        "outbox": ["payload"],
    }.items():
        for column in columns:
            for row in await world.db.fetch(f"SELECT {column} AS value FROM {table}"):
                value = row["value"]
                secrets |= {value.hex()} if isinstance(value, bytes) else {str(value)}
    assert len(secrets) > 20
    assert [secret for secret in secrets if secret in answer.text] == []


async def test_it_names_nobody_else(world: World) -> None:
    admin = await world.make_admin()
    ada_id = await world.make_user("ada@example.com", role=Role.ADMIN)
    bob_id = await world.make_user("bob@example.com")
    ada = await world.log_in()
    there = world.client("198.51.100.77", **admin.headers)
    await there.patch(f"/admin/users/{ada_id}", json={"name": "Ada"})
    here = world.client(HOME, **ada.headers)
    await here.patch(f"/admin/users/{bob_id}", json={"email": "robert@example.com"})

    answer = await export(world, ada)

    by_admin, by_ada = sorted(
        (event for event in answer.json()["audit"] if event["action"] == "user.changed"),
        key=lambda event: event["position"],
    )
    assert (by_admin["by"], by_admin["about"], by_admin["ip_address"]) == (
        "an administrator",
        "you",
        None,
    )
    assert by_admin["new_values"] == {"name": "(not kept)"}
    assert (by_ada["by"], by_ada["about"], by_ada["ip_address"]) == ("you", "somebody else", HOME)
    assert (by_ada["old_values"], by_ada["new_values"]) == (None, None)
    others = [str(bob_id), "bob", "robert", "root@example.com", "198.51.100.77"]
    assert [other for other in others if other in answer.text] == []


async def test_it_is_a_file_that_nobody_keeps(world: World, ada: SignedIn, ada_id: UUID) -> None:
    answer = await export(world, ada)

    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == f'attachment; filename="keyfob-{ada_id}.json"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("GZIP", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("br, gzip;q=0.000", False),
        ("br, gzip ; q=0.5 , x", True),
        ("gzip;q=", False),
        ("gzip;level=9", False),
        (",gzip" + " " * 31_000 + "x", False),
        ("xgzip", False),
        ("gzipped", False),
    ],
)
async def test_it_is_packed_for_those_who_can_unpack_it(
    world: World, ada: SignedIn, accepted: str, packed: bool
) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in ada.headers.items()]

    answer = await call_raw(
        world, "GET", "/me/export", headers=[*headers, (b"accept-encoding", accepted.encode())]
    )

    assert answer.status == 200
    assert int(answer.header(b"content-length") or 0) == len(answer.body)
    assert (answer.header(b"content-encoding") == b"gzip") == packed
    plain = gzip.decompress(answer.body) if packed else answer.body
    assert json.loads(plain)["account"]["name"] == "Ada"


async def test_many_sign_ins_are_all_there_in_their_order_and_little_memory(
    world: World, ada: SignedIn, ada_id: UUID
) -> None:
    await insert_logins(world, ada_id, 20_000)
    await document(world, ada)  # what is loaded once is not counted
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        caller = world.wiring.services[Authenticator].authenticate(ada.access)
        packed = await world.service(exporting.OwnExport).gather(caller, Source(HOME, DEVICE))
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()

    whole = b"".join([piece async for piece in packed.unpacked()])
    logins = json.loads(whole)["logins"]
    assert len(whole) == packed.size > 4_000_000
    assert len({login["id"] for login in logins}) == 20_001
    assert [login["at"] for login in logins] == sorted((o["at"] for o in logins), reverse=True)
    assert peak < len(whole) / 2


@pytest.mark.parametrize("amount", [0, 1, 198, 199, 200, 399])
async def test_pages_meet_without_a_gap(
    world: World, ada: SignedIn, ada_id: UUID, amount: int
) -> None:
    """One sign-in is there already: so 199 more fill a page of 200."""
    await insert_logins(world, ada_id, amount)

    got = await document(world, ada)

    assert len({login["id"] for login in got["logins"]}) == len(got["logins"]) == amount + 1


async def test_a_page_begins_where_the_last_one_ended_and_reads_none_before(
    settings: Settings, world: World, ada: SignedIn
) -> None:
    with recorded_statements() as seen:
        (await world.api.get("/me/export", headers=ada.headers)).raise_for_status()
    pages = [statement for statement in seen if re.search(r"LIMIT \$\d", statement)]

    connection = await asyncpg.connect(settings.dsn)
    try:
        # As the driver's prepared statements are planned from the sixth page on.
        await connection.execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = 0")
        plans = [await plan_of(connection, page) for page in pages]
    finally:
        await connection.close()

    assert len(pages) == 4
    for plan in plans:
        assert re.search(r"Index Cond: .*(\(id > |ROW\(at, id\) < |\(\"?position\"? < )", plan), (
            plan
        )


async def plan_of(connection: asyncpg.Connection, statement: str) -> str:
    await connection.execute(f"PREPARE page AS {statement}")
    try:
        nothing = ", ".join(["NULL"] * len(set(re.findall(r"\$\d", statement))))
        return "\n".join(r[0] for r in await connection.fetch(f"EXPLAIN EXECUTE page({nothing})"))
    finally:
        await connection.execute("DEALLOCATE page")


async def test_it_is_of_one_moment(
    world: World, ada: SignedIn, ada_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    await insert_logins(world, ada_id, 300)
    list_logins = exporting.queries.list_logins
    pages = 0

    async def meanwhile(*args: Any) -> Any:
        nonlocal pages
        pages += 1
        if pages == 2:
            await world.db.execute("DELETE FROM login_events")
        return await list_logins(*args)

    monkeypatch.setattr(exporting.queries, "list_logins", meanwhile)

    got = await document(world, ada)

    assert (pages, len(got["logins"])) == (2, 301)


async def test_it_is_recorded(world: World, ada: SignedIn, ada_id: UUID) -> None:
    await document(world, ada)

    event = (await world.audit_log())[-1]
    assert (event["action"], event["actor_id"], event["target_id"]) == (
        "user.exported",
        ada_id,
        ada_id,
    )


async def test_it_has_a_limit_of_its_own(settings: Settings, clock: MovableClock) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_me_export": "2/minute"})
    async with World(limited, clock) as world:
        await world.make_user()
        ada = await world.log_in()

        answers = [await export(world, ada) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert int(answers[-1].headers["retry-after"]) > 0
        assert "ratelimit" in answers[0].headers
        clock.advance(60)
        assert (await export(world, ada)).status_code == 200


async def test_a_third_at_once_waits_and_is_then_refused(world: World, ada: SignedIn) -> None:
    exports = replace(world.service(exporting.OwnExport), longest_wait=0.05)
    world.wiring.services.replace(exporting.OwnExport, exports)
    others = [share_of(address) for address in ("198.51.100.1", "198.51.100.2")]
    for share in others:
        await exports.places.take(share, 1)
    answer = await export(world, ada)
    for share in others:
        exports.places.give(share)

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "10"
    assert (await export(world, ada)).status_code == 200


async def test_a_client_that_does_not_read_holds_no_connection(world: World, ada: SignedIn) -> None:
    never = asyncio.Event()

    async def neither_sends_nor_reads(*_: Any) -> Any:
        await never.wait()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/me/export",
        "query_string": b"",
        "headers": [(b"host", b"a"), (b"authorization", ada.headers["Authorization"].encode())],
        "client": ("203.0.113.7", 50000),
        "state": {},
    }
    stuck = asyncio.create_task(world.app(scope, neither_sends_nor_reads, neither_sends_nor_reads))

    async def is_gathered() -> bool:
        return any(event["action"] == "user.exported" for event in await world.audit_log())

    await until(is_gathered)
    # What is on record was committed a moment before its connection is given back.
    await eventually(lambda: world.db.idle == world.db.size)
    assert not stuck.done()
    stuck.cancel()
    await asyncio.wait({stuck})


async def test_an_account_that_is_gone_has_no_export(
    world: World, ada: SignedIn, ada_id: UUID
) -> None:
    await world.db.execute("DELETE FROM users WHERE id = $1", ada_id)

    assert (await export(world, ada)).status_code == 401
