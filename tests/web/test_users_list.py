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
