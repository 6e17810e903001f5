"""Line 53 of the abuse list: a session that did not present the administrator's factor."""

from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.fuzzing import ENDLESS
from tests.fixtures.world import SignedIn, World

from keyfob.authority.models import Role


async def thief_and_owner(world: World, clock: MovableClock) -> tuple[SignedIn, SignedIn]:
    """Return two sessions of an administrator; in the second, a factor was added and presented."""
    await world.make_user("root@example.com", role=Role.ADMIN)
    thief, root = await world.log_in("root@example.com"), await world.log_in("root@example.com")
    await add_totp(world, root, clock)
    return thief, SignedIn.of(await world.refresh(root.refresh))


async def test_53_a_session_from_before_the_factor_takes_no_account_over(
    world: World, clock: MovableClock
) -> None:
    ada_id = await world.make_user()
    thief, root = await thief_and_owner(world, clock)
    mine = {"email": "mallory@example.com"}

    moved = await world.api.patch(f"/admin/users/{ada_id}", json=mine, headers=thief.headers)

    assert (moved.status_code, moved.json().get("code")) == (
        401,
        "insufficient_user_authentication",
    )
    assert 'acr_values="aal2"' in moved.headers["www-authenticate"]
    moved = await world.api.patch(f"/admin/users/{ada_id}", json=mine, headers=root.headers)
    assert moved.status_code == 200


async def test_53_a_session_from_before_the_factor_reads_nothing_of_others(
    world: World, clock: MovableClock
) -> None:
    ada_id = await world.make_user()
    thief, root = await thief_and_owner(world, clock)
    reads = {
        path
        for path, operations in world.app.openapi()["paths"].items()
        if path.startswith("/admin/") and "get" in operations
    }

    answers = {}
    for path in reads:
        url = path.replace("{id}", str(ada_id))
        # Whoever may read a stream would read without end.
        asking = (thief,) if path in ENDLESS else (thief, root)
        answers[path] = [
            (await world.api.get(url, headers=who.headers)).status_code for who in asking
        ]

    assert {path: status for path, (status, *_) in answers.items() if status != 401} == {}
    assert [one for _, *others in answers.values() for one in others if one in {401, 403}] == []
