"""The toast of the console that offers to undo what was just done to one account."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import HOSTILE, signed_in
from tests.web.markup import Form, forms_of, parse

from keyfob.accounts.models import Status
from keyfob.authority.models import Role

UNDO = "/console/users/undo"


@pytest.fixture
async def root(world: World) -> AsyncIterator[httpx.AsyncClient]:
    await world.make_user("root@example.com", role=Role.ADMIN)
    async with signed_in(world, "root@example.com") as browser:
        yield browser


async def follow(page: httpx.AsyncClient, answer: httpx.Response) -> httpx.Response:
    assert answer.status_code == 303, answer.text
    return await page.get(answer.headers["location"].removeprefix("/auth"))


def undo_in(answer: httpx.Response) -> Form | None:
    """Return the form of the toast, which is the first that the Tab key reaches."""
    undo = [form for form in forms_of(answer) if form.path == UNDO]
    assert undo == [] or undo[0] == forms_of(answer)[0]
    return undo[0] if undo else None


async def status_of(world: World, user_id: object) -> tuple[str, str]:
    row = await world.db.fetchrow("SELECT status, role FROM users WHERE id = $1", user_id)
    assert row is not None
    return row["status"], row["role"]


async def test_a_block_and_a_role_are_undone_from_the_toast(
    world: World, root: httpx.AsyncClient
) -> None:
    ada = await world.make_user("ada@example.com")
    place = f"/console/users/{ada}"

    for path, change in (("status", {"status": "blocked"}), ("role", {"role": "moderator"})):
        done = await follow(root, await root.post(f"{place}/{path}", data=change))
        undo = undo_in(done)
        assert undo is not None
        undone = await follow(root, await root.post(undo.path, data=undo.fields))
        assert "The account is as before." in undone.text
        assert undo_in(undone) is None

    assert await status_of(world, ada) == ("active", "user")
    told = await world.db.fetchval(
        "SELECT count(*) FROM audit_events WHERE target_id = $1 AND actor_id IS NOT NULL", ada
    )
    assert told == 4


async def test_a_link_offers_to_undo_only_what_its_toast_tells_of(
    world: World, root: httpx.AsyncClient
) -> None:
    """Threat: the toast names Ada, and its button unblocks Eve."""
    ada, eve = [await world.make_user(f"{name}@example.com") for name in ("ada", "eve")]
    done = await root.post(f"/console/users/{eve}/status", data={"status": "blocked"})
    event = done.headers["location"].partition("undo=")[2]

    of_eve = await root.get(f"/console/users?done=blocked&who={eve}&undo={event}")
    of_ada = await root.get(f"/console/users?done=blocked&who={ada}&undo={event}")
    of_nobody = await root.get(f"/console/users?undo={event}")
    at_ada = await root.get(f"/console/users/{ada}?done=blocked&undo={event}")

    assert undo_in(of_eve) is not None
    assert [undo_in(one) for one in (of_ada, of_nobody, at_ada)] == [None] * 3


async def test_the_menu_of_the_list_leads_back_to_the_list_with_the_name(
    world: World, root: httpx.AsyncClient
) -> None:
    eve = await world.make_user("eve@example.com", name=HOSTILE)
    form = {"status": "blocked", "state": "search=eve&size=50"}

    listed = await root.post(f"/console/users/{eve}/status", data=form)
    shown = await follow(root, listed)
    undo = undo_in(shown)
    assert undo is not None
    undone = await root.post(undo.path, data=undo.fields)

    assert "/console/users?search=eve&size=50&done=blocked" in listed.headers["location"]
    assert "{{7*7}}</bdi> is blocked, and all sessions have ended." in shown.text
    assert "<img src=x" not in shown.text
    parse(shown.text)
    assert "/console/users?search=eve&size=50&done=undone" in undone.headers["location"]
    assert "{{7*7}}</bdi> is as before." in (await follow(root, undone)).text
    assert await status_of(world, eve) == ("active", "user")


async def test_it_is_offered_only_while_it_can_be_done(
    world: World, root: httpx.AsyncClient, clock: MovableClock
) -> None:
    ada = await world.make_user("ada@example.com")
    await world.make_user("other@example.com", role=Role.ADMIN)
    place = f"/console/users/{ada}"
    block = await root.post(f"{place}/status", data={"status": "blocked"})
    shown = block.headers["location"].removeprefix("/auth")
    undo = undo_in(await root.get(shown))
    assert undo is not None

    own = {name: value for name, value in undo.fields.items() if name != "user_id"}
    async with signed_in(world, "other@example.com") as other:
        elsewhere = undo_in(await other.get(shown)), await other.post(undo.path, data=own)
    clock.advance(601)
    late = undo_in(await root.get(shown)), await root.post(undo.path, data=undo.fields)
    clock.advance(-601)
    await root.post(f"{place}/status", data={"status": "active"})
    changed = undo_in(await root.get(shown)), await root.post(undo.path, data=undo.fields)
    nonsense = await root.post(undo.path, data={"event": "x"})

    for offered, answer in (elsewhere, late, changed):
        assert offered is None
        assert answer.status_code == 409
        assert "changed since" in answer.text
    assert nonsense.status_code == 422
    assert await status_of(world, ada) == ("active", "user")


async def test_undoing_needs_what_the_change_needed(
    world: World, root: httpx.AsyncClient, clock: MovableClock
) -> None:
    mod = await world.make_user("mod@example.com", role=Role.MODERATOR, status=Status.BLOCKED)
    change = {"status": "active"}
    done = await follow(root, await root.post(f"/console/users/{mod}/status", data=change))
    undo = undo_in(done)
    assert undo is not None
    async with world.client() as stranger:
        refused = await stranger.post(
            undo.path, data=undo.fields, headers={"Sec-Fetch-Site": "cross-site"}
        )
    clock.advance(301)  # a recent sign-in is one of the last five minutes

    asked = await root.post(undo.path, data=undo.fields)
    proven = await root.post(undo.path, data={**undo.fields, "step-up-password": PASSWORD})

    assert refused.status_code == 403
    assert asked.status_code == 401
    assert f'value="{undo.fields["event"]}"' in asked.text
    assert proven.status_code == 303
    assert await status_of(world, mod) == ("blocked", "moderator")
