"""With the database gone every call answers 503 soon, and all is well when it is back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
from drills.harness.proxy import Fault, Proxy
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.waiting import until
from tests.fixtures.world import PASSWORD, SignedIn, World, eventually

from keyfob.settings import Settings

SOMEBODY = "01a20320-a200-7eb9-b2c7-7bf922b4dd2d"
CREDENTIALS = {"email": "ada@example.com", "password": PASSWORD}
LONGEST = 10.0  # seconds; far beyond every time-out, so that only a hang meets it

NEEDS_DATABASE = [
    ("POST", "/register", {"email": "new@example.com", "password": "correct horse bat"}),
    ("POST", "/login", CREDENTIALS),
    ("POST", "/refresh", {"token": "<refresh>"}),
    ("DELETE", "/logout", None),
    ("DELETE", "/logout", {"token": "<refresh>"}),
    ("DELETE", "/logout-all", None),
    ("GET", "/me", None),
    ("GET", "/me/sessions", None),
    ("DELETE", f"/me/sessions/{SOMEBODY}", None),
    ("GET", "/me/logins", None),
    ("PATCH", "/me", {"name": "Ada", "timezone": "Europe/London"}),
    ("POST", "/me/password", {"current_password": PASSWORD, "password": "correct horse bat"}),
    ("POST", "/me/email", {"email": "new@example.com"}),
    ("POST", "/me/email/confirm", {"token": "kfl_none"}),
    ("GET", "/me/export", None),
    ("DELETE", "/me", None),
    ("POST", "/me/keep", None),
    ("GET", "/admin/users", None),
    ("GET", "/admin/users?search=a&online=true", None),
    ("POST", "/admin/users", {"email": "new@example.com", "password": "correct horse bat"}),
    ("GET", f"/admin/users/{SOMEBODY}", None),
    ("PUT", f"/admin/users/{SOMEBODY}", {"name": "x"}),
    ("PATCH", f"/admin/users/{SOMEBODY}", {"role": "user"}),
    ("DELETE", f"/admin/users/{SOMEBODY}", None),
    ("DELETE", f"/admin/users/{SOMEBODY}/logout-all", None),
    ("GET", f"/admin/users/{SOMEBODY}/logins", None),
    ("GET", "/admin/logins", None),
    ("GET", "/admin/audit", None),
    ("GET", "/revocations", None),
]
AWAY = [Fault.CLOSED, Fault.HELD, Fault.RESETTING]
NEEDS_NONE = ["/", "/health/live", "/docs", "/openapi.json"]


@pytest.fixture
async def outage(dsn: str) -> AsyncIterator[Proxy]:
    async with Proxy(dsn).running() as outage:
        yield outage


@pytest.fixture
def brittle(settings: Settings, outage: Proxy) -> Settings:
    """Settings whose database can go away, and that do not wait for it for long.

    A connection may take that long on a busy machine.
    """
    return settings.model_copy(
        update={
            "database_url": SecretStr(outage.dsn),
            "database_acquire_timeout": 1.5,
            "database_command_timeout": 1.5,
        }
    )


async def send(
    world: World, caller: SignedIn, method: str, path: str, body: object
) -> httpx.Response:
    if body == {"token": "<refresh>"}:
        body = {"token": caller.refresh}
    async with asyncio.timeout(LONGEST):
        return await world.api.request(method, path, json=body, headers=caller.headers)


async def statuses(world: World, caller: SignedIn) -> dict[str, int]:
    """Send all calls at once, and check the parts that every refusal must have."""
    answers = await asyncio.gather(*(send(world, caller, *call) for call in NEEDS_DATABASE))
    for answer in answers:
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] in {"database_unavailable", "no_signing_key"}
    return {
        f"{method} {path}": answer.status_code
        for (method, path, _), answer in zip(NEEDS_DATABASE, answers, strict=True)
    }


async def is_ready(world: World) -> bool:
    return (await world.api.get("/health/ready")).status_code == 200


@pytest.mark.parametrize("fault", AWAY)
async def test_every_call_is_refused_soon_and_served_again(
    brittle: Settings, clock: MovableClock, outage: Proxy, fault: Fault
) -> None:
    async with World(brittle, clock) as world:
        admin = await world.make_admin()
        await world.make_user()

        await outage.begin(fault)
        await eventually(lambda: not world.wiring.feed.is_live)
        clock.advance(5)  # past what GET /me remembers
        assert set((await statuses(world, admin)).values()) == {503}
        for path in NEEDS_NONE:
            assert (await world.api.get(path)).status_code == 200, path
        ready = await world.api.get("/health/ready")
        assert (ready.status_code, ready.headers["retry-after"]) == (503, "1")
        assert ready.json() == {"status": "not_ready", "checks": None}
        assert (await world.api.get("/me")).status_code == 401
        assert (await world.refresh("kfr_forged")).status_code == 401
        assert (await world.api.get("/.well-known/jwks.json")).status_code == 200

        await outage.end()
        await until(lambda: is_ready(world))
        assert (await world.me(admin)).status_code == 200
        assert (await world.refresh(admin.refresh)).status_code == 200
        assert (await world.attempt_login()).status_code == 200
        emails = [row["email"] for row in await world.db.fetch("SELECT email FROM users")]
        assert sorted(emails) == ["ada@example.com", "root@example.com"]


async def test_the_limits_fail_closed(
    brittle: Settings, clock: MovableClock, outage: Proxy
) -> None:
    async with World(brittle.model_copy(update={"limits": "on"}), clock) as world:
        admin = await world.make_admin()

        await outage.begin(Fault.CLOSED)
        await eventually(lambda: not world.wiring.feed.is_live)

        assert set((await statuses(world, admin)).values()) == {503}


async def test_me_is_answered_from_memory_only_while_changes_are_heard(
    brittle: Settings, clock: MovableClock, outage: Proxy
) -> None:
    async with World(brittle, clock) as world:
        await world.make_user()
        user = await world.log_in()
        assert (await world.me(user)).status_code == 200

        await outage.begin(Fault.HELD)
        # Nobody knows yet: what was remembered a moment ago may be told.
        assert (await world.me(user)).status_code == 200
        clock.advance(5)
        assert (await world.me(user)).status_code == 503
        clock.advance(-5)

        await eventually(lambda: not world.wiring.feed.is_live)
        assert (await world.me(user)).status_code == 503

        # A token that nobody can believe is refused all the same.
        forged = SignedIn(user.access[:-4] + "AAAA", user.refresh, user.session_id)
        assert (await world.me(forged)).status_code == 401


async def test_a_service_that_starts_first_waits_for_its_database(
    brittle: Settings, clock: MovableClock, outage: Proxy
) -> None:
    async with World(brittle, clock) as before:
        admin = await before.make_admin()
    await outage.begin(Fault.CLOSED)

    world = World(brittle, clock)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(world.app.router.lifespan_context(world.app))
        await stack.enter_async_context(world.api)
        assert set((await statuses(world, admin)).values()) == {503}
        assert (await world.api.get("/.well-known/jwks.json")).status_code == 503
        assert (await world.api.get("/health/live")).status_code == 200
        assert (await world.api.get("/health/ready")).status_code == 503

        await outage.end()
        await until(lambda: is_ready(world))
        assert (await world.me(admin)).status_code == 200
        assert (await world.refresh(admin.refresh)).status_code == 200


async def test_what_was_acknowledged_before_is_there_after(
    brittle: Settings, clock: MovableClock, outage: Proxy
) -> None:
    async with World(brittle, clock) as world:
        acknowledged = set()

        async def register(number: int) -> None:
            email = f"user{number:02}@example.com"
            answer = await world.api.post(
                "/register", json={"email": email, "password": "correct horse bat"}
            )
            assert answer.status_code in {201, 503}
            if answer.status_code == 201:
                acknowledged.add(email)
            if len(acknowledged) == 8:
                await outage.begin(Fault.RESETTING)

        await asyncio.gather(*(register(number) for number in range(40)))
        await outage.end()
        await until(lambda: is_ready(world))

        kept = {row["email"] for row in await world.db.fetch("SELECT email FROM users")}
        assert 8 <= len(acknowledged) < 40
        assert acknowledged <= kept
        for email in kept:
            answer = await world.attempt_login(email, "correct horse bat")
            assert answer.status_code == 200


async def test_an_exhausted_pool_is_waited_for_and_then_refused(
    brittle: Settings, clock: MovableClock
) -> None:
    small = brittle.model_copy(update={"database_pool_size": 2})
    async with World(small, clock) as world, AsyncExitStack() as taken:
        admin = await world.make_admin()
        for _ in range(2):
            await taken.enter_async_context(world.db.connection())

        clock.advance(5)
        assert set((await statuses(world, admin)).values()) == {503}
        assert (await world.api.get("/health/live")).status_code == 200
        assert not await is_ready(world)

        # One comes free while somebody waits: it is theirs.
        waiting = asyncio.create_task(world.me(admin))
        await asyncio.sleep(0)
        await taken.aclose()
        assert (await waiting).status_code == 200
        await until(lambda: is_ready(world))
