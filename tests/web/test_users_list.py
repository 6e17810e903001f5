"""The console's list of users: filters, order, pages, and adding somebody."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from tests.fixtures.world import PASSWORD, World

from keyfob.accounts.models import Status
from keyfob.authority.models import Role

OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def page(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which an administrator is signed in."""
    await world.make_user("root@example.com", role=Role.ADMIN, name="Root")
    async with world.client(**OURS) as browser:
        form = {"email": "root@example.com", "password": PASSWORD}
        await browser.post("/ui/sign-in", data=form)
        yield browser


def names(answer: httpx.Response) -> list[str]:
    return re.findall(r'class="name" title="([^"]*)"', answer.text)


async def test_a_list_filters_and_sorts_by_its_address(
    world: World, page: httpx.AsyncClient
) -> None:
    for name in ("Ada", "Bob", "Cyd"):
        status = Status.BLOCKED if name == "Bob" else Status.ACTIVE
        await world.make_user(f"{name.lower()}@example.com", name=name, status=status)

    newest = await page.get("/console/users")
    searched = await page.get("/console/users", params={"search": "b@ex", "role": ""})
    sorted_ = await page.get("/console/users", params={"sort": "email"})
    active = await page.get("/console/users", params={"status": "active", "sort": "-email"})

    assert newest.status_code == 200, newest.text
    assert sorted(names(newest)) == ["Ada", "Bob", "Cyd", "Root"]
    assert names(searched) == ["Bob"]
    assert names(sorted_) == ["Ada", "Bob", "Cyd", "Root"]
    assert 'aria-sort="ascending"' in sorted_.text
    assert names(active) == ["Root", "Cyd", "Ada"]
    assert "Status: Active" in active.text


async def test_some_are_blocked_together_with_a_report_and_back(
    world: World, page: httpx.AsyncClient
) -> None:
    ids = [str(await world.make_user(f"{name}@example.com", name=name)) for name in ("ada", "bob")]

    report = await page.post("/console/users/bulk", data={"action": "block", "ids": ids})
    events = re.findall(r'name="events" value="([^"]*)"', report.text)
    blocked = await world.db.fetchval("SELECT count(*) FROM users WHERE status = 'blocked'")
    undone = await page.post("/console/users/bulk/undo", data={"events": events[0]})
    active = await world.db.fetchval("SELECT count(*) FROM users WHERE status = 'active'")

    assert "Done: 2, refused: 0, not reached: 0" in report.text
    assert "Done: 2, refused: 0, not reached: 0" in undone.text
    assert (blocked, active) == (2, 3)


async def test_all_that_match_are_removed_after_a_question(
    world: World, page: httpx.AsyncClient
) -> None:
    for name in ("ada", "bob"):
        await world.make_user(f"{name}@example.com")
    form = {"action": "delete", "all": "yes", "state": "role=user", "count": "2"}

    asked = await page.post("/console/users/bulk", data=form)
    left = await world.db.fetchval("SELECT count(*) FROM users")
    report = await page.post("/console/users/bulk", data={**form, "sure": "yes"})
    other = await page.post("/console/users/bulk", data=form)

    assert "Remove 2 users?" in asked.text
    assert left == 3
    assert "Done: 2, refused: 0" in report.text
    assert other.status_code == 409


async def test_the_list_goes_into_a_table_and_nonsense_is_refused(
    world: World, page: httpx.AsyncClient
) -> None:
    await world.make_user("ada@example.com", name="=1+1")

    table = await page.post("/console/users/export", data={"state": "search=ada"})
    refused = [
        (await page.get("/console/users", params=query)).status_code
        for query in ({"sort": "password_hash"}, {"totp_secret": "x"}, {"role": "__class__"})
    ]

    assert table.headers["content-type"].startswith("text/csv")
    assert "'=1+1" in table.text
    assert "root@example.com" not in table.text
    assert refused == [422, 422, 422]
