"""Changes of one account's factors at once, on connections of their own and in other workers."""

import asyncio

from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import (
    add_totp,
    ask_for_factor,
    begin_totp,
    confirm_totp,
    show_factor,
)
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.authority.models import Role
from keyfob.settings import Settings


async def test_of_two_sessions_that_add_the_first_one_is_first(
    world: World, clock: MovableClock
) -> None:
    """Two sessions confirm at once; the loser has not presented the winner's factor."""
    await world.make_user()
    laptop, phone = await world.log_in(), await world.log_in()
    app = await begin_totp(world, laptop, clock)

    answers = await asyncio.gather(
        *(confirm_totp(world, session, app) for session in (laptop, phone) * 4)
    )

    assert [answer.status_code for answer in answers].count(200) == 1
    assert {answer.status_code for answer in answers} <= {200, 401, 404}
    assert await world.db.fetchval("SELECT count(*) FROM recovery_codes") == 10


async def test_of_two_removals_at_once_the_last_factor_of_an_admin_stays(
    settings: Settings, clock: MovableClock
) -> None:
    strict = settings.model_copy(update={"require_mfa_for": ["admin"]})
    async with World(strict, clock) as world, World(strict, clock) as other:
        root = await world.make_admin()
        first = await add_totp(world, root, clock)
        root = SignedIn.of(await world.refresh(root.refresh))
        second = await add_totp(world, root, clock, "Tablet")

        answers = await asyncio.gather(
            world.api.delete(f"/me/factors/{first.id}", headers=root.headers),
            other.api.delete(f"/me/factors/{second.id}", headers=root.headers),
        )

        assert sorted(answer.status_code for answer in answers) == [204, 409]
        assert await world.db.fetchval("SELECT count(*) FROM recovery_codes") == 10


async def test_every_step_can_be_taken_in_another_worker_and_after_a_restart(
    settings: Settings, clock: MovableClock
) -> None:
    async def fresh() -> World:
        return World(settings, clock)

    async with await fresh() as worker:
        await worker.make_user()
        ada = await worker.log_in()
    async with await fresh() as worker:
        app = await begin_totp(worker, ada, clock)
    async with await fresh() as worker:
        assert (await confirm_totp(worker, ada, app)).status_code == 200
    clock.advance(30)
    async with await fresh() as worker:
        token = await ask_for_factor(worker)
    async with await fresh() as worker:
        ada = SignedIn.of(await show_factor(worker, token, code=app.code()))
    clock.advance(301)
    async with await fresh() as worker:
        ada = SignedIn.of(await worker.refresh(ada.refresh))
        answer = await worker.api.post(
            "/me/reauthenticate", json={"code": app.code()}, headers=ada.headers
        )
        ada = SignedIn.of(answer)
    async with await fresh() as worker:
        answer = await worker.api.delete(f"/me/factors/{app.id}", headers=ada.headers)
        assert answer.status_code == 204
        await worker.log_in()


async def test_sign_ins_and_changes_at_once_neither_fail_nor_wait_for_each_other(
    world: World, settings: Settings, clock: MovableClock
) -> None:
    """Everything that locks the account or its factors, at once: a deadlock would give 503."""
    user_id = await world.make_user(role=Role.ADMIN)
    app = await add_totp(world, await world.log_in(), clock)
    await world.make_user("root@example.com", role=Role.ADMIN)
    clock.advance(30)
    for _ in range(5):
        root = await world.log_in("root@example.com")
        ada = SignedIn.of(
            await show_factor(
                world, await ask_for_factor(world), recovery_code=app.recovery_codes[0]
            )
        )
        codes = await world.api.post("/me/factors/recovery-codes", headers=ada.headers)
        recovery_codes = codes.json()["recovery_codes"]
        app = await add_totp(world, ada, clock)
        clock.advance(30)
        tokens = [await ask_for_factor(world) for _ in range(6)]
        me = {"headers": ada.headers}
        new = {"current_password": PASSWORD, "password": PASSWORD}

        answers = await asyncio.gather(
            *(
                show_factor(world, token, recovery_code=code)
                for token, code in zip(tokens[:3], recovery_codes[:3], strict=True)
            ),
            *(show_factor(world, token, code=app.code()) for token in tokens[3:]),
            world.api.post("/me/reauthenticate", json={"code": app.code()}, **me),
            world.api.delete(f"/me/factors/{app.id}", **me),
            world.api.post("/me/factors/recovery-codes", **me),
            world.api.post("/me/password", json=new, **me),
            world.api.delete("/logout-all", **me),
            world.api.delete(f"/admin/users/{user_id}/logout-all", headers=root.headers),
            world.api.post(f"/admin/users/{user_id}/factors/reset", headers=root.headers),
        )

        assert max(answer.status_code for answer in answers) < 500
        assert answers[-1].status_code == 204
        app = await add_totp(world, await world.log_in(), clock)
        clock.advance(30)
