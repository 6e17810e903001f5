"""Reset of all factors by an administrator, for a user who lost them."""

from uuid import UUID

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, ask_for_factor, show_factor
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import SignedIn, World


async def reset(world: World, signed_in: SignedIn, user_id: UUID | str) -> tuple[int, str | None]:
    answer = await world.api.post(
        f"/admin/users/{user_id}/factors/reset", headers=signed_in.headers
    )
    return answer.status_code, None if answer.is_success else answer.json()["code"]


async def test_all_factors_and_codes_are_gone_audited_and_told(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    user_id = await world.make_user()
    ada = await world.log_in()
    app = await add_totp(world, ada, clock)
    clock.advance(30)
    token = await ask_for_factor(world)
    root = await world.make_admin()
    root_id = UUID((await world.me(root)).json()["id"])

    assert await reset(world, root, user_id) == (204, None)

    assert (await world.me(ada)).status_code == 401
    assert (await show_factor(world, token, code=app.code())).status_code == 401
    counts = "SELECT (SELECT count(*) FROM factors) + (SELECT count(*) FROM recovery_codes)"
    assert await world.db.fetchval(counts) == 0
    assert (await world.me(await world.log_in())).status_code == 200
    event = (await world.audit_log())[-1]
    assert (event["action"], event["actor_id"], event["target_id"], event["old_values"]) == (
        "factors.reset",
        root_id,
        user_id,
        {"factors": 1, "sessions": 1},
    )
    assert "administrator" in (await mailbox.next("ada@example.com", subject="reset")).text


async def test_where_there_is_none_nothing_happens(mailbox: Mailbox, world: World) -> None:
    user_id = await world.make_user()
    root = await world.make_admin()
    events = len(await world.audit_log())

    assert await reset(world, root, user_id) == (204, None)
    assert len(await world.audit_log()) == events
    await mailbox.assert_none(world, "ada@example.com")


async def test_it_is_for_administrators_with_a_recent_sign_in(
    world: World, clock: MovableClock
) -> None:
    user_id = await world.make_user()
    ada, root = await world.log_in(), await world.make_admin()
    nobody = "01890000-0000-7000-8000-000000000000"

    assert await reset(world, ada, user_id) == (403, "forbidden")
    assert await reset(world, root, nobody) == (404, "user_not_found")
    clock.advance(301)
    root = SignedIn.of(await world.refresh(root.refresh))
    assert await reset(world, root, user_id) == (401, "insufficient_user_authentication")


@pytest.mark.parametrize("with_factor", [True, False])
async def test_it_is_no_way_round_for_one_s_own(
    world: World, clock: MovableClock, *, with_factor: bool
) -> None:
    """A stolen token of an administrator removes no factor that its sign-in did not present."""
    root = await world.make_admin()
    root_id = (await world.me(root)).json()["id"]
    owner = await world.log_in("root@example.com")
    await add_totp(world, owner, clock)
    caller = SignedIn.of(await world.refresh(owner.refresh)) if with_factor else root

    status, _ = await reset(world, caller, root_id)

    assert status == (204 if with_factor else 401)
