"""Walks of attackers through the pages, each as it was found."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import PASSWORD, SignedIn, World
from tests.web.account_pages import text_of
from tests.web.markup import form_to
from tests.web.test_signing_in import COOKIE, OURS, sign_in

from keyfob.authority.models import Role
from keyfob.settings import Settings


@pytest.fixture
async def root(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which an administrator is signed in."""
    await world.make_user("root@example.com", role=Role.ADMIN)
    async with world.client(**OURS) as browser:
        assert (await sign_in(browser, "root@example.com")).status_code == 303
        yield browser


@pytest.mark.parametrize("query", ["path=x", "self=x", "address=fe80::1%25eth0", "visit=x"])
async def test_no_name_in_a_query_breaks_a_page(root: httpx.AsyncClient, query: str) -> None:
    for path in ("/console/logins", "/console/audit", "/console/clients", "/ui/sign-out"):
        assert (await root.get(f"{path}?{query}")).status_code < 500


async def test_an_old_cookie_is_exchanged_for_no_stronger_one(
    world: World, clock: MovableClock
) -> None:
    user_id = await world.make_user()
    await world.make_user("root@example.com", role=Role.ADMIN)
    async with world.client(**OURS) as owner, world.client(**OURS) as thief:
        await sign_in(owner)
        thief.cookies.set(COOKIE, owner.cookies[COOKIE])
        admin = await world.log_in("root@example.com")
        told = {"role": "moderator"}
        await world.api.patch(f"/admin/users/{user_id}", json=told, headers=admin.headers)
        await owner.get("/ui/sign-out")

        lately = await thief.get("/ui/sign-out")
        clock.advance(11)
        later = await thief.get("/ui/sign-out")

    assert (lately.status_code, later.status_code) == (200, 303)
    assert not any(COOKIE in one for one in lately.headers.get_list("set-cookie"))


async def test_a_page_without_the_right_to_the_service_tells_nothing_of_it(
    world: World, root: httpx.AsyncClient
) -> None:
    await root.post("/console/new-role", data={"name": "reader", "permission": "logins:read"})
    reader = await world.make_user("reader@example.com")
    await root.post(f"/console/users/{reader}/roles", data={"role": "reader", "hours": ""})
    async with world.client(**OURS) as page:
        await sign_in(page, "reader@example.com")
        overview = await page.get("/console/overview")

    assert overview.status_code == 200
    assert "administrator has no second factor" not in overview.text
    assert "Version" not in overview.text


async def test_over_plain_http_to_another_machine_no_door_is_open(
    settings: Settings, clock: MovableClock
) -> None:
    told = settings.model_copy(update={"public_url": "http://192.0.2.7/auth"})
    async with World(told, clock) as world, world.client(**OURS) as page:
        for path in ("/ui/sign-in", "/ui/register", "/ui/recover/set", "/ui/password"):
            answer = await page.post(path, data={"email": "ada@example.com", "password": PASSWORD})
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers
            assert "not encrypted" in answer.text


async def test_a_restricted_session_changes_no_address_by_a_link(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    told = settings.model_copy(update={"require_mfa_for": ["moderator"]})
    async with World(told, clock) as world, world.client(**OURS) as page:
        user_id = await world.make_user()
        await world.make_user("root@example.com", role=Role.ADMIN)
        own, admin = await world.log_in(), await world.log_in("root@example.com")
        new = {"email": "thief@example.com"}
        await world.api.post("/me/email", json=new, headers=own.headers)
        token = (await mailbox.next(to="thief@example.com")).tokens()[0]
        role = {"role": "moderator"}
        changed = await world.api.patch(f"/admin/users/{user_id}", json=role, headers=admin.headers)
        await sign_in(page)

        by_session = await page.post("/ui/email/confirm", data={"token": token})
        typed = {"token": token, "email": "ada@example.com", "password": PASSWORD}
        by_password = await page.post("/ui/email/confirm", data=typed)
        email = await world.db.fetchval("SELECT email FROM users WHERE id = $1", user_id)

    assert changed.status_code == 200
    for answer in (by_session, by_password):
        assert answer.headers["location"].endswith("/security?why=factor_required")
    assert email == "ada@example.com"


async def test_the_live_log_ends_where_the_page_asks_for_a_factor(
    world: World, root: httpx.AsyncClient, clock: MovableClock
) -> None:
    own: SignedIn = await world.log_in("root@example.com")
    before = await root.get("/console/logins")

    await add_totp(world, own, clock)

    assert before.status_code == 200
    assert (await root.get("/console/logins")).status_code == 401
    assert (await root.get("/console/logins/live")).status_code == 401
    assert re.search("step-up-code", (await root.get("/console/logins")).text)


async def test_an_empty_or_outdated_form_gives_and_unblocks_nothing(
    world: World, root: httpx.AsyncClient
) -> None:
    user_id = await world.make_user()
    place = f"/console/users/{user_id}"
    await root.post("/console/new-role", data={"name": "reader", "permission": "logins:read"})
    await root.post(f"{place}/status", data={"status": "blocked"})

    answers = [
        await root.post(f"{place}/status"),
        await root.post(f"{place}/status", data={"status": "x"}),
        await root.post(f"{place}/roles", data={"role": "reader"}),
        await root.post(f"{place}/roles", data={"role": "reader", "hours": "5"}),
        await root.post(f"{place}/roles", data={"role": "\x00", "hours": ""}),
        await root.post(f"{place}/roles/take", data={"role": "\x00"}),
    ]

    assert [answer.status_code for answer in answers] == [422] * 6
    assert await world.db.fetchval("SELECT status FROM users WHERE id = $1", user_id) == "blocked"
    assert await world.db.fetchval("SELECT count(*) FROM user_roles") == 0


async def test_strangers_get_no_long_form_back(world: World) -> None:
    async with world.client(**OURS) as page:
        many = {f"f{number}": "x" for number in range(200)}
        answer = await page.post("/ui/account", data=many)

    assert answer.status_code == 400
    assert "f100" not in answer.text


async def test_another_site_opens_no_stream_of_its_visitor(root: httpx.AsyncClient) -> None:
    headers = {"Sec-Fetch-Site": "same-site"}

    assert (await root.get("/console/logins/live", headers=headers)).status_code == 403


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("/ui/account", "/ui/account"),
        ("/console/users/{ada}", "/console/users/{ada}/status"),
        ("/ui/account/activity", "/ui/account/sessions/end-others"),
    ],
)
async def test_a_form_of_one_user_is_not_carried_out_as_another(
    world: World, root: httpx.AsyncClient, place: str, path: str
) -> None:
    ada = await world.make_user()
    await world.log_in("root@example.com")
    await world.make_user("other@example.com", role=Role.ADMIN)
    await world.log_in("other@example.com")
    shown = await root.get(place.format(ada=ada))
    form = form_to(shown, path.format(ada=ada))
    told = {"name": "Somebody", "status": "blocked", "step-up-password": PASSWORD}

    assert (await sign_in(root, "other@example.com")).status_code == 303
    before = await world.db.fetch("SELECT id, name, status FROM users ORDER BY id")
    refused = await root.post(form.path, data={**form.fields, **told})
    after = await world.db.fetch("SELECT id, name, status FROM users ORDER BY id")

    assert refused.status_code == 409
    assert "other@example.com" in text_of(refused)
    assert before == after
    assert await world.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") > 2


async def test_whose_a_form_is_is_written_once_however_often_it_is_refused(
    root: httpx.AsyncClient, clock: MovableClock
) -> None:
    shown = await root.get("/ui/account/data")
    form = form_to(shown, "/ui/account/export")
    clock.advance(3600)
    for _ in range(2):
        shown = await root.post(form.path, data={**form.fields, "step-up-password": "wrong"})
        form = form_to(shown, "/ui/account/export")

    assert shown.status_code == 401
    assert [one.name for one in form.inputs].count("user_id") == 1
