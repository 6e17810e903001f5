"""The page of one user in the console."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from tests.fixtures.apps import hidden_fields, make_app
from tests.fixtures.clock import MovableClock
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import signed_in
from tests.web.test_signing_in import OURS, sign_in

from keyfob.authority.models import Role

HELL = "<img src=x onerror=alert(1)>\"'{{7*7}}\u202egnp.exe"


@pytest.fixture
async def root(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which an administrator is signed in."""
    await world.make_user("root@example.com", role=Role.ADMIN)
    async with world.client(**OURS) as browser:
        assert (await sign_in(browser, "root@example.com")).status_code == 303
        yield browser


async def test_somebody_is_invited_comes_and_is_blocked_and_unblocked(
    world: World, mailbox: Mailbox, root: httpx.AsyncClient
) -> None:
    made = await root.post("/console/users/new", data={"email": "eve@example.com", "name": "Eve"})
    place = made.headers["location"].removeprefix("/auth").partition("?")[0]
    token = (await mailbox.next(to="eve@example.com")).tokens()[0]
    async with world.client(**OURS) as eve:
        opened = await eve.post("/ui/invite/open", data={"token": token})
        chosen = {"token": token, "new_password": "lovely engines 1843"}
        entered = await eve.post("/ui/invite/set", data=chosen)
        blocked = await root.post(f"{place}/status", data={"status": "blocked"})
        out = await eve.get("/ui/account")
        again = await root.post(f"{place}/status", data={"status": "active"})

    assert (made.status_code, opened.status_code, entered.status_code) == (303, 200, 303)
    assert 'value="eve@example.com"' in opened.text
    assert (blocked.status_code, out.status_code, again.status_code) == (303, 303, 303)
    assert out.headers["location"].startswith("/auth/ui/sign-in")
    page = await root.get(f"{place}?done=active")
    assert "The account is active again." in page.text
    assert "signed in" in page.text


async def test_names_from_hell_stay_names(world: World, root: httpx.AsyncClient) -> None:
    user_id = await world.make_user("ada@example.com", name=HELL.replace("\u202e", ""))

    page = await root.get(f"/console/users/{user_id}")

    assert "<img src=x" not in page.text
    assert "&lt;img src=x" in page.text


async def test_what_is_dangerous_asks_for_a_recent_sign_in_and_the_address(
    world: World, root: httpx.AsyncClient, clock: MovableClock
) -> None:
    user_id = await world.make_user("mod@example.com", role=Role.MODERATOR)
    place = f"/console/users/{user_id}"
    clock.advance(3600)

    asked = await root.post(f"{place}/role", data={"role": "admin"})
    wrong = await root.post(f"{place}/remove", data={"email": "other@example.com"})
    proof = {"step-up-password": PASSWORD}
    done = await root.post(f"{place}/role", data={"role": "admin", **proof})
    assert wrong.status_code == 422
    assert re.search(r'<dialog id="remove"[^>]* data-open>', wrong.text)
    assert 'aria-describedby="remove-email-error' in wrong.text
    assert "This is not the address of the account. Nothing was removed." in wrong.text
    state = "role=admin&sort=email&size=50"
    menu = await root.get(f"/console/users?{state}")
    assert "?state=role%3Dadmin%26sort%3Demail%26size%3D50#danger" in menu.text
    form = await root.get(place, params={"state": state})
    assert f'name="state" value="{state.replace("&", "&amp;")}"' in form.text
    typed = {"email": "MOD@example.com", "state": state}
    removed = await root.post(f"{place}/remove", data=typed)

    assert asked.status_code == 401
    assert 'name="role" value="admin"' in asked.text
    assert "done=role" in done.headers["location"]
    assert removed.headers["location"] == f"/auth/console/users?{state}&done=removed"


async def test_the_last_administrator_stays(world: World, root: httpx.AsyncClient) -> None:
    own = await world.db.fetchval("SELECT id FROM users WHERE role = 'admin'")

    answer = await root.post(f"/console/users/{own}/role", data={"role": "user"})

    assert answer.status_code == 409
    assert await world.db.fetchval("SELECT role FROM users WHERE id = $1", own) == "admin"


async def test_who_may_only_read_changes_nothing(world: World, root: httpx.AsyncClient) -> None:
    user_id = await world.make_user()
    await root.post("/console/new-role", data={"name": "reader", "permission": "users:read"})
    reader = await world.make_user("reader@example.com")
    await root.post(f"/console/users/{reader}/roles", data={"role": "reader", "hours": "8"})
    async with world.client(**OURS) as page:
        await sign_in(page, "reader@example.com")
        seen = await page.get(f"/console/users/{user_id}")
        for path in ("status", "role", "sign-out", "invite", "recover", "remove", "roles"):
            answer = await page.post(f"/console/users/{user_id}/{path}", data={"role": "admin"})
            assert answer.status_code in {401, 403}, path

    assert seen.status_code == 200
    assert "danger" not in seen.text.partition("<main")[2]
    assert await world.db.fetchval("SELECT status FROM users WHERE id = $1", user_id) == "active"


async def test_nobody_is_nobody(root: httpx.AsyncClient) -> None:
    for path in ("01900000-0000-7000-8000-000000000000", "nobody", "1"):
        assert (await root.get(f"/console/users/{path}")).status_code == 404


async def test_name_and_address_are_edited_there(
    world: World, mailbox: Mailbox, root: httpx.AsyncClient
) -> None:
    user_id = await world.make_user("ada@example.com", name="Ada")
    await world.make_user("eve@example.com")
    place = f"/console/users/{user_id}"

    taken = await root.post(f"{place}/edit", data={"name": "A" * 201, "email": "eve@example.com"})
    also = await root.post(f"{place}/edit", data={"name": "Ada", "email": "EVE@example.com"})
    empty = await root.post(f"{place}/edit", data={"name": ""})
    done = await root.post(f"{place}/edit", data={"name": "", "email": "new@example.com"})

    assert (taken.status_code, also.status_code, empty.status_code) == (422, 409, 422)
    assert 'href="#f-name"' in taken.text
    assert 'href="#f-email"' in also.text
    assert 'value="EVE@example.com"' in also.text
    assert done.headers["location"].endswith(f"{place}?done=edited")
    row = await world.db.fetchrow("SELECT email, name FROM users WHERE id = $1", user_id)
    assert tuple(row) == ("new@example.com", None)
    told = await world.db.fetchval(
        "SELECT new_values FROM audit_events WHERE action = 'user.changed' AND target_id = $1",
        user_id,
    )
    assert {"email", "name"} <= set(told)
    assert await mailbox.next(to="ada@example.com")


async def test_a_new_address_of_an_administrator_needs_a_recent_sign_in(
    world: World, root: httpx.AsyncClient, clock: MovableClock
) -> None:
    user_id = await world.make_user("mod@example.com", role=Role.MODERATOR)
    place = f"/console/users/{user_id}"
    clock.advance(3600)

    asked = await root.post(f"{place}/edit", data={"name": "", "email": "new@example.com"})
    named = await root.post(f"{place}/edit", data={"name": "Mo", "email": "mod@example.com"})

    assert asked.status_code == 401
    assert 'name="email" value="new@example.com"' in asked.text
    assert named.status_code == 303


async def test_the_page_tells_why_somebody_has_a_right(
    world: World, root: httpx.AsyncClient
) -> None:
    user_id = await world.make_user("ada@example.com")
    told = {"name": "reader", "permission": ["users:read", "orders:read"]}
    await root.post("/console/new-role", data=told)
    await root.post(f"/console/users/{user_id}/roles", data={"role": "reader", "hours": "8"})

    page = await root.get(f"/console/users/{user_id}")
    rights = page.text.partition('id="rights"')[2].partition("</section>")[0]

    assert '<code>users:read</code> <span class="badge">reader</span>' in rights
    assert "List and read accounts" in rights
    assert "<code>orders:read</code>" in rights
    assert "audit:read" not in rights


async def test_what_an_app_has_of_somebody_is_listed_and_taken_back(
    world: World, root: httpx.AsyncClient
) -> None:
    user_id = await world.make_user("eve@example.com")
    app, other = await make_app(world, name=HELL), await make_app(world)
    async with signed_in(world, "eve@example.com") as eve:
        tokens = await app.tokens(eve)
    place = f"/console/users/{user_id}"

    page = await root.get(place)
    wrong = [
        await root.post(f"{place}/remove-app", data={"client_id": one})
        for one in (str(other.id), "", "x" * 5000, f"{app.id}'")
    ]
    taken = await root.post(f"{place}/remove-app", data={"client_id": str(app.id)})
    after = await root.get(taken.headers["location"].removeprefix("/auth"))

    assert "Take it back" in page.text
    assert "<img src=x" not in page.text
    assert [one.status_code for one in wrong] == [404] * 4
    assert "This app has no access any more." in wrong[0].text
    assert "The app has no access any more." in after.text
    assert "Take it back" not in after.text
    assert (await app.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_who_may_not_end_sessions_takes_nothing_from_an_app(
    world: World, root: httpx.AsyncClient
) -> None:
    user_id = await world.make_user("eve@example.com")
    app = await make_app(world)
    await app.be_allowed(user_id)
    await root.post("/console/new-role", data={"name": "reader", "permission": ["users:read"]})
    reader = await world.make_user("reader@example.com")
    await root.post(f"/console/users/{reader}/roles", data={"role": "reader", "hours": ""})
    async with signed_in(world, "reader@example.com") as browser:
        page = await browser.get(f"/console/users/{user_id}")
        refused = await browser.post(
            f"/console/users/{user_id}/remove-app", data={"client_id": str(app.id)}
        )

    assert "Ledger" in page.text
    assert "Take it back" not in page.text
    assert refused.status_code == 403


async def test_the_switch_of_language_names_one_language(root: httpx.AsyncClient) -> None:
    answer = await root.get("/console/users?lang=en&role=admin&lang=en")

    assert 'href="?role=admin&amp;lang=ru"' in answer.text
    assert "lang=en&amp;lang" not in answer.text


async def test_an_older_form_gives_no_address_back(root: httpx.AsyncClient, world: World) -> None:
    """A colleague moves the account to another address while the form with its name is open."""
    ada = await world.make_user()
    place = f"/console/users/{ada}"
    form = dict(hidden_fields(await root.get(place)))
    seen = {name: form.get(name, "") for name in ("seen_name", "seen_email")}
    moved = {"name": "", "email": "new@example.com"}
    assert (await root.post(f"{place}/edit", data=moved)).status_code == 303

    old = {**seen, "name": "Ada", "email": "ada@example.com"}
    assert (await root.post(f"{place}/edit", data=old)).status_code == 303

    row = await world.db.fetchrow("SELECT name, email_normal FROM users WHERE id = $1", ada)
    assert tuple(row) == ("Ada", "new@example.com")
