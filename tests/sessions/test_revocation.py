"""The end of a session, or a new role, reaches every worker and every token."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.hostile import claims_of
from tests.fixtures.revoked import assert_refused_within_a_second
from tests.fixtures.waiting import until_somebody_waits
from tests.fixtures.world import SignedIn, World, eventually

from keyfob.core.database import Database
from keyfob.core.feed import Feed
from keyfob.core.problems import DatabaseUnavailable
from keyfob.sessions import revocation_queries
from keyfob.sessions.refresh_tokens import LAST_GENERATION
from keyfob.sessions.revocations import Revocations
from keyfob.sessions.service import Sessions
from keyfob.sessions.upkeep import SessionCleanup
from keyfob.settings import Settings


@pytest.fixture(params=["notify", "poll"])
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """The settings with each kind of feed: notices, and polling."""
    return settings.model_copy(update={"feed": request.param})


async def log_out(world: World, user_id: UUID, ada: SignedIn, admin: SignedIn) -> None:
    (await world.api.delete("/logout", headers=ada.headers)).raise_for_status()


async def log_out_by_token(world: World, user_id: UUID, ada: SignedIn, admin: SignedIn) -> None:
    another = await world.log_in()
    (
        await world.api.request(
            "DELETE", "/logout", headers=another.headers, json={"token": ada.refresh}
        )
    ).raise_for_status()


async def log_out_everywhere(world: World, user_id: UUID, ada: SignedIn, admin: SignedIn) -> None:
    (await world.api.delete("/logout-all", headers=ada.headers)).raise_for_status()


async def end_session(world: World, user_id: UUID, ada: SignedIn, admin: SignedIn) -> None:
    path = f"/me/sessions/{ada.session_id}"
    (await world.api.delete(path, headers=ada.headers)).raise_for_status()


async def be_logged_out(world: World, user_id: UUID, ada: SignedIn, admin: SignedIn) -> None:
    path = f"/admin/users/{user_id}/logout-all"
    (await world.api.delete(path, headers=admin.headers)).raise_for_status()


async def be_blocked(world: World, user_id: UUID, ada: SignedIn, admin: SignedIn) -> None:
    (
        await world.api.patch(
            f"/admin/users/{user_id}", json={"status": "blocked"}, headers=admin.headers
        )
    ).raise_for_status()


async def be_deleted(world: World, user_id: UUID, ada: SignedIn, admin: SignedIn) -> None:
    (await world.api.delete(f"/admin/users/{user_id}", headers=admin.headers)).raise_for_status()


ENDINGS = [
    log_out,
    log_out_by_token,
    log_out_everywhere,
    end_session,
    be_logged_out,
    be_blocked,
    be_deleted,
]


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)
async def test_what_ends_a_session_kills_its_tokens_in_every_worker(
    world: World, other: World, ending: Callable[..., Awaitable[None]]
) -> None:
    user_id = await world.make_user()
    admin = await world.make_admin()
    old = await world.log_in()
    new = SignedIn.of(await other.refresh(old.refresh))
    for signed_in in (old, new):
        assert (await other.me(signed_in)).status_code == 200  # remembered, as hot tokens are

    await ending(world, user_id, new, admin)

    for signed_in in (old, new):
        assert (await world.me(signed_in)).status_code == 401, "here it is known at once"
        await assert_refused_within_a_second(other, signed_in)
    for worker in (world, other):
        assert (await worker.refresh(new.refresh)).status_code == 401
    assert (await other.me(admin)).status_code == 200


async def test_a_role_change_kills_the_tokens_of_the_old_role_and_no_session(
    world: World, other: World
) -> None:
    user_id = await world.make_user()
    admin = await world.make_admin()
    devices = [await world.log_in() for _ in range(3)]
    devices[0] = SignedIn.of(await world.refresh(devices[0].refresh))

    await world.api.put(f"/admin/users/{user_id}", json={"role": "admin"}, headers=admin.headers)

    for signed_in in devices:
        assert (await world.me(signed_in)).status_code == 401
        await assert_refused_within_a_second(other, signed_in)
        promoted = SignedIn.of(await other.refresh(signed_in.refresh))
        for worker in (world, other):
            answer = await worker.api.get("/admin/users", headers=promoted.headers)
            assert answer.status_code == 200
            assert (await worker.me(promoted)).json()["role"] == "admin"


async def test_a_change_that_changes_no_role_kills_nothing(world: World) -> None:
    user_id = await world.make_user()
    admin = await world.make_admin()
    ada = await world.log_in()
    for change in ({"role": "user"}, {"name": "Ada"}, {"status": "active"}):
        await world.api.patch(f"/admin/users/{user_id}", json=change, headers=admin.headers)

    assert (await world.me(ada)).status_code == 200
    assert await world.db.fetchval("SELECT count(*) FROM revocations") == 0


async def test_an_unblocked_user_signs_in_anew_and_nothing_old_comes_back(world: World) -> None:
    user_id = await world.make_user()
    admin = await world.make_admin()
    before = await world.log_in()
    for status in ("blocked", "active"):
        await world.api.patch(
            f"/admin/users/{user_id}", json={"status": status}, headers=admin.headers
        )

    after = await world.log_in()

    assert (await world.me(after)).status_code == 200
    assert (await world.me(before)).status_code == 401
    assert (await world.refresh(before.refresh)).status_code == 401


async def test_a_sign_in_that_commits_while_its_account_is_deleted_does_not_outlive_it(
    world: World, other: World
) -> None:
    user_id = await world.make_user()
    admin = await world.make_admin()

    async with world.db.begin() as tx:
        await tx.execute("SELECT FROM users WHERE id = $1 FOR SHARE", user_id)
        deletion = asyncio.create_task(
            other.api.delete(f"/admin/users/{user_id}", headers=admin.headers)
        )
        await until_somebody_waits(world.db)
        ada = await world.log_in()  # shares the lock, and is there before the deletion
    assert (await deletion).status_code == 204

    await assert_refused_within_a_second(other, ada)
    await assert_refused_within_a_second(world, ada)


async def test_a_worker_that_starts_later_refuses_what_was_revoked_before(
    settings: Settings, clock: MovableClock, world: World
) -> None:
    await world.make_user()
    ada = await world.log_in()
    await world.api.delete("/logout", headers=ada.headers)

    async with World(settings, clock) as late:
        await assert_refused_within_a_second(late, ada)


async def test_a_revocation_is_kept_until_it_can_meet_no_token(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    first, second = await world.log_in(), await world.log_in()
    last = SignedIn.of(await world.refresh(first.refresh))  # as late as a token can be
    await world.api.delete("/logout", headers=last.headers)
    revocations = Revocations(world.db, clock, token_ttl=timedelta(minutes=5))
    session_id = UUID(first.session_id)

    clock.advance(300)
    await revocations.load()
    assert revocations.kills(session_id, 1), "longer than any token lives, for clocks may jump"

    clock.advance(300)
    await revocations.load()
    assert not revocations.kills(session_id, 1)
    assert (await world.me(last)).status_code == 401, "by now it has expired"
    assert (await world.refresh(last.refresh)).status_code == 401
    assert (await world.refresh(second.refresh)).status_code == 200


async def test_a_clock_that_jumps_and_comes_back_brings_no_token_back_to_life(
    world: World, settings: Settings, clock: MovableClock
) -> None:
    await world.make_user()
    ada = await world.log_in()
    await world.api.delete("/logout", headers=ada.headers)

    clock.advance(299 + 290)
    await world.service(Sessions).revocations.load()
    await SessionCleanup(db=world.db, clock=clock, retention=timedelta(days=1)).run()
    clock.advance(-290)

    assert (await world.me(ada)).status_code == 401
    async with World(settings, clock) as late:
        assert (await late.me(ada)).status_code == 401


def test_a_later_revocation_replaces_an_earlier_one_and_never_the_reverse(
    clock: MovableClock,
) -> None:
    nowhere = Database("postgresql://nobody@127.0.0.1:1/none")
    revocations = Revocations(nowhere, clock, token_ttl=timedelta(minutes=5))
    session_id, now = UUID(int=1), clock.now()

    revocations.add(session_id, 3, now + timedelta(minutes=6))
    revocations.add(session_id, 1, now + timedelta(minutes=9))

    assert [revocations.kills(session_id, generation) for generation in (1, 3, 4)] == [
        True,
        True,
        False,
    ]
    revocations.add(session_id, LAST_GENERATION, now + timedelta(minutes=6))
    revocations.add(session_id, 5, now + timedelta(minutes=6))
    assert revocations.kills(session_id, LAST_GENERATION)
    assert not revocations.kills(UUID(int=2), 0)


async def test_a_written_revocation_is_never_weakened(db: Database, clock: MovableClock) -> None:
    session_id, now = UUID(int=1), clock.now()
    until = now + timedelta(minutes=6)

    async with db.begin() as tx:
        await revocation_queries.revoke(tx, [(session_id, LAST_GENERATION)], now, until)
    async with db.begin() as tx:
        await revocation_queries.revoke(tx, [(session_id, 3)], now, until)

    (row,) = await revocation_queries.list_revocations(db, now)
    assert (row.id, row.generation) == (session_id, LAST_GENERATION)


@pytest.fixture
async def deaf(world: World, other: World) -> AsyncIterator[World]:
    """The other worker, its connection cut and its way to the server lost; `world` is back."""
    feed: Feed = other.wiring.feed
    dsn, feed.dsn = feed.dsn, "postgresql://nobody@127.0.0.1:1/none"
    feeds = (
        "pg_stat_activity WHERE application_name = 'keyfob feed' AND datname = current_database()"
    )
    cut = await other.db.fetch(f"SELECT pid, pg_terminate_backend(pid) FROM {feeds}")
    await eventually(lambda: not feed.is_live)
    # Until there is another connection, the world may not have noticed that its own was cut.
    while not await other.db.fetch(  # noqa: ASYNC110 - of another process there is no event
        f"SELECT FROM {feeds} AND pid <> ALL($1)", [r["pid"] for r in cut]
    ):
        await asyncio.sleep(0.005)
    await eventually(lambda: world.wiring.feed.is_live)
    yield other
    feed.dsn = dsn


async def test_a_worker_that_hears_nothing_says_so_and_learns_it_all_when_it_is_back(
    world: World, deaf: World
) -> None:
    user_id = await world.make_user()
    admin = await world.make_admin()
    ended, changed, kept = [await world.log_in() for _ in range(3)]

    answer = await deaf.api.get("/health/ready")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert (await world.api.get("/health/ready")).status_code == 200

    await world.api.delete("/logout", headers=ended.headers)
    await world.api.patch(f"/admin/users/{user_id}", json={"role": "admin"}, headers=admin.headers)
    kept = SignedIn.of(await deaf.refresh(kept.refresh))
    assert claims_of(kept.access)["role"] == "admin", "what asks the database is right all the same"
    assert (await deaf.refresh(ended.refresh)).status_code == 401
    deaf.wiring.feed.dsn = world.wiring.feed.dsn
    await eventually(lambda: deaf.wiring.feed.is_live)

    assert (await deaf.api.get("/health/ready")).status_code == 200
    assert (await deaf.me(ended)).status_code == 401
    assert (await deaf.me(changed)).status_code == 401
    assert (await deaf.me(kept)).status_code == 200


async def test_a_worker_never_forgets_what_it_heard_while_the_database_is_away(
    world: World, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.make_user()
    ada = await world.log_in()
    await world.api.delete("/logout", headers=ada.headers)
    revocations = world.service(Sessions).revocations

    async def away(*_: object) -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr("keyfob.sessions.revocation_queries.list_revocations", away)
    clock.advance(299)
    with pytest.raises(DatabaseUnavailable):
        await revocations.load()

    assert (await world.me(ada)).status_code == 401


async def test_no_token_is_believed_before_the_revocations_are_known(
    settings: Settings, clock: MovableClock, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.make_user()
    ada = await world.log_in()
    await world.api.delete("/logout", headers=ada.headers)
    load, seen = Revocations.load, []

    async def late(self: Revocations) -> None:
        seen.append((await early.get("/me", headers=ada.headers)).status_code)
        await load(self)

    monkeypatch.setattr(Revocations, "load", late)
    starting = World(settings, clock)
    async with starting.client() as early, starting:
        seen.append((await early.get("/me", headers=ada.headers)).status_code)

    # Whoever polls knows all that was revoked before it has a key; whoever listens, after.
    assert seen == [401 if settings.polls else 503, 401]
