"""At least one administrator who can sign in must remain."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import product
from uuid import UUID

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.accounts.changes import Changes
from keyfob.accounts.errors import LastAdmin
from keyfob.accounts.models import Status
from keyfob.administration.authority import Actor
from keyfob.administration.service import Administration
from keyfob.authority.models import Role
from keyfob.settings import Settings

WAYS: list[tuple[str, dict[str, str] | None]] = [
    ("PATCH", {"role": "user"}),
    ("PATCH", {"role": "moderator"}),
    ("PUT", {"status": "blocked"}),
    ("PATCH", {"role": "admin", "status": "blocked"}),
    ("DELETE", None),
]


@pytest.mark.parametrize(("method", "body"), WAYS, ids=str)
async def test_the_last_active_administrator_stays_one(
    world: World, admin: SignedIn, method: str, body: dict[str, str] | None
) -> None:
    await world.make_user("blocked@example.com", role=Role.ADMIN, status=Status.BLOCKED)
    await world.make_user("moderator@example.com", role=Role.MODERATOR)
    before = (await world.me(admin)).json()

    refused = await world.api.request(
        method, f"/admin/users/{before['id']}", json=body, headers=admin.headers
    )

    assert (refused.status_code, refused.json()["code"]) == (409, "last_admin")
    assert (await world.me(admin)).json() == before
    assert [event["action"] for event in await world.audit_log()] == ["user.created"] * 3
    assert await world.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == 1


@pytest.mark.parametrize(("method", "body"), WAYS, ids=str)
async def test_the_last_but_one_may_go(
    world: World, admin: SignedIn, method: str, body: dict[str, str] | None
) -> None:
    await world.make_user("other@example.com", role=Role.ADMIN)
    own_id = (await world.me(admin)).json()["id"]

    answer = await world.api.request(
        method, f"/admin/users/{own_id}", json=body, headers=admin.headers
    )

    assert answer.status_code in {200, 204}
    assert (await world.me(admin)).status_code == 401


async def test_the_last_one_may_be_renamed_and_others_may_go(world: World, admin: SignedIn) -> None:
    blocked = await world.make_user("b@example.com", role=Role.ADMIN, status=Status.BLOCKED)
    own_id = (await world.me(admin)).json()["id"]

    demoted = await world.api.patch(
        f"/admin/users/{blocked}", json={"role": "user"}, headers=admin.headers
    )
    renamed = await world.api.patch(
        f"/admin/users/{own_id}",
        json={"name": "Root", "email": "new@example.com", "role": "admin"},
        headers=admin.headers,
    )

    assert (renamed.status_code, demoted.status_code) == (200, 200)


@pytest.fixture
def required(settings: Settings) -> Settings:
    """Settings with which nobody can sign in before the address is verified."""
    return settings.model_copy(update={"verify_email": "required"})


async def test_the_last_one_who_can_sign_in_keeps_the_address_where_it_must_be_proven(
    required: Settings, clock: MovableClock
) -> None:
    """Otherwise there would be no administrator until somebody reads the new one's mails."""
    async with World(required, clock) as world:
        root = await world.make_admin()
        own_id = (await world.me(root)).json()["id"]

        refused = await world.api.patch(
            f"/admin/users/{own_id}", json={"email": "typo@example.com"}, headers=root.headers
        )
        respelt = await world.api.patch(
            f"/admin/users/{own_id}", json={"email": "Root@Example.com"}, headers=root.headers
        )

        assert refused.status_code == 409
        assert refused.json()["code"] == "last_admin"
        assert respelt.status_code == 200
        found = await world.api.get(f"/admin/users/{own_id}", headers=root.headers)
        assert found.json()["email"] == "Root@Example.com"


@pytest.mark.parametrize(("method", "body"), WAYS, ids=str)
async def test_who_cannot_sign_in_yet_is_no_administrator_to_rely_on(
    required: Settings, clock: MovableClock, method: str, body: dict[str, str] | None
) -> None:
    """One waits for the proof of the address, one for an invitation to be followed."""
    async with World(required, clock) as world:
        root = await world.make_admin()
        moved = await world.make_user("moved@example.com", role=Role.ADMIN)
        await world.api.patch(
            f"/admin/users/{moved}", json={"email": "new@example.com"}, headers=root.headers
        )
        invited = {"email": "invited@example.com", "role": "admin"}
        await world.api.post("/admin/users", json=invited, headers=root.headers)
        own_id = (await world.me(root)).json()["id"]

        refused = await world.api.request(
            method, f"/admin/users/{own_id}", json=body, headers=root.headers
        )

        assert refused.status_code == 409
        assert refused.json()["code"] == "last_admin"


async def test_who_cannot_add_the_required_factor_yet_is_no_administrator_to_rely_on(
    settings: Settings, clock: MovableClock
) -> None:
    """Factors need a verified address, so a mail would have to be read first."""
    async with World(settings.model_copy(update={"require_mfa_for": ["admin"]}), clock) as world:
        root = await world.make_admin()
        await add_totp(world, root, clock)
        root = SignedIn.of(await world.refresh(root.refresh))
        own_id = (await world.me(root)).json()["id"]
        other = {"email": "other@example.com", "password": PASSWORD, "role": "admin"}
        made = await world.api.post("/admin/users", json=other, headers=root.headers)
        assert made.status_code == 201, made.text

        refused = await world.api.patch(
            f"/admin/users/{own_id}", json={"role": "user"}, headers=root.headers
        )
        await world.db.execute("UPDATE users SET email_verified_at = now()")
        demoted = await world.api.patch(
            f"/admin/users/{own_id}", json={"role": "user"}, headers=root.headers
        )

        assert (refused.status_code, refused.json()["code"]) == (409, "last_admin")
        assert demoted.status_code == 200


async def test_who_follows_no_invitation_is_no_administrator_to_rely_on(
    world: World, admin: SignedIn
) -> None:
    """Without proofs of addresses, too: there is no password to sign in with."""
    invited = {"email": "invited@example.com", "role": "admin"}
    assert (
        await world.api.post("/admin/users", json=invited, headers=admin.headers)
    ).status_code == 201
    own_id = (await world.me(admin)).json()["id"]

    demoted = await world.api.patch(
        f"/admin/users/{own_id}", json={"role": "user"}, headers=admin.headers
    )
    leaving = await world.api.delete("/me", headers=admin.headers)

    assert (demoted.status_code, leaving.status_code) == (409, 409)


TakeDown = Callable[[Administration, UUID], Awaitable[object]]


def _take_downs() -> list[TakeDown]:
    nobody = Actor(None)
    return [
        lambda admin, user_id: admin.change(nobody, user_id, Changes(role=Role.USER)),
        lambda admin, user_id: admin.change(nobody, user_id, Changes(status=Status.BLOCKED)),
        lambda admin, user_id: admin.delete(nobody, user_id),
    ]


async def test_of_three_taken_down_at_once_in_every_way_one_stays(
    settings: Settings, clock: MovableClock
) -> None:
    """Past authentication, so that nothing but the statement itself decides."""
    async with World(settings, clock) as one, World(settings, clock) as two:
        for round_number, ways in enumerate(product(_take_downs(), repeat=3)):
            ids = [
                await one.make_user(f"{round_number}-{number}@example.com", role=Role.ADMIN)
                for number in range(3)
            ]

            outcomes = await asyncio.gather(
                *(
                    way(world.service(Administration), user_id)
                    for way, user_id, world in zip(ways, ids, (one, two, one), strict=True)
                ),
                return_exceptions=True,
            )

            refusals = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
            assert [type(refusal) for refusal in refusals] == [LastAdmin]
            left = await one.db.fetchval(
                "SELECT count(*) FROM users WHERE role = 'admin' AND status = 'active'"
            )
            assert left == 1
            await one.db.execute("DELETE FROM users")


async def test_a_promotion_and_a_demotion_at_once_leave_one(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        for number in range(10):
            old = await one.make_user(f"old{number}@example.com", role=Role.ADMIN)
            new = await one.make_user(f"new{number}@example.com")
            promote = one.service(Administration).change(Actor(None), new, Changes(role=Role.ADMIN))
            demote = two.service(Administration).change(Actor(None), old, Changes(role=Role.USER))

            promoted, demoted = await asyncio.gather(promote, demote, return_exceptions=True)

            assert isinstance(promoted, UUID)  # of the audit event
            assert isinstance(demoted, UUID | LastAdmin)
            admins = await one.db.fetch("SELECT id FROM users WHERE role = 'admin'")
            assert {row["id"] for row in admins} == (
                {new} if isinstance(demoted, UUID) else {old, new}
            )
            await one.db.execute("DELETE FROM users")
