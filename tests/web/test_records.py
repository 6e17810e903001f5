"""Both logs in the console: sentences for whoever may read them, and for nobody else."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World
from tests.web.test_signing_in import OURS, sign_in

from keyfob.authority.models import Role

HELL = "<img src=x onerror=alert(1)>\"'{{7*7}}"


@pytest.fixture
async def page(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A browser, as far as requests go."""
    async with world.client(**OURS) as browser:
        yield browser


@pytest.fixture
async def root(world: World, page: httpx.AsyncClient) -> httpx.AsyncClient:
    """A browser in which an administrator is signed in."""
    await world.make_user("root@example.com", role=Role.ADMIN)
    assert (await sign_in(page, "root@example.com")).status_code == 303
    return page


@pytest.mark.parametrize("path", ["/console/logins", "/console/audit"])
async def test_a_log_is_for_whoever_may_read_it(
    world: World, page: httpx.AsyncClient, path: str
) -> None:
    await world.make_user()

    stranger = await page.get(path)
    await sign_in(page)
    user = await page.get(path)

    assert stranger.headers["location"].startswith("/auth/ui/sign-in?return_to=%2Fauth%2Fconsole")
    assert user.status_code == 403
    assert "ada@example.com" in user.text


async def test_sign_ins_are_sentences_with_links(world: World, root: httpx.AsyncClient) -> None:
    user_id = await world.make_user("ada@example.com", name=HELL)
    await root.post("/ui/sign-in", data={"email": "ada@example.com", "password": "wrong"})

    answer = await root.get("/console/logins?outcome=refused")

    assert answer.status_code == 200
    assert f'href="/auth/console/users/{user_id}"' in answer.text
    assert "&lt;img src=x onerror=alert(1)&gt;" in answer.text
    assert "<img src=x" not in answer.text
    assert "49" not in answer.text.partition("onerror")[2][:40]


async def test_changes_show_old_and_new(world: World, root: httpx.AsyncClient) -> None:
    user_id = await world.make_user()
    own = await world.log_in("root@example.com")
    told = {"role": "moderator"}
    await world.api.patch(f"/admin/users/{user_id}", json=told, headers=own.headers)

    answer = await root.get(f"/console/audit?user={user_id}&kind=user.changed")

    assert answer.status_code == 200
    assert '<del class="badge"><bdi>' in answer.text
    assert "ada@example.com" in answer.text


async def test_pages_follow_each_other_without_a_gap(world: World, root: httpx.AsyncClient) -> None:
    await world.make_user()
    for _ in range(28):
        await world.log_in()

    first = await root.get("/console/logins?size=25")
    following = first.text.partition('rel="next"')[0].rpartition('href="')[2].rpartition('"')[0]
    second = await root.get(following.replace("&amp;", "&").removeprefix("/auth"))

    assert first.text.count("<li><span") == 25
    assert second.status_code == 200
    assert second.text.count("<li><span") == 4  # of 28 sign-ins and one of the reader


@pytest.mark.parametrize(
    "query",
    [
        "user=1",
        "kind=__class__",
        "outcome=password_hash",
        "address=999.1.1.1",
        "address=" + "1" * 5000,
        "since=0001-01-01&until=9999-12-31",
        "since=x",
        "size=100000",
        "at=x",
        "at=" + "A" * 2000,
        "kind=%00",
    ],
)
async def test_no_filter_breaks_a_page(root: httpx.AsyncClient, query: str) -> None:
    for log in ("logins", "audit"):
        assert (await root.get(f"/console/{log}?{query}")).status_code == 200


async def test_the_overview_counts_and_says_what_needs_attention(
    root: httpx.AsyncClient, clock: MovableClock
) -> None:
    await root.post("/ui/sign-in", data={"email": "ada@example.com", "password": "wrong"})
    clock.advance(60)

    for chosen in ("day", "month", "quarter", "nonsense"):
        answer = await root.get(f"/console/overview?range={chosen}")
        assert answer.status_code == 200
        assert "1 administrator has no second factor" in answer.text
        assert "1 of 2 attempts was refused" in answer.text
    entered = await root.get("/console")
    assert entered.headers["location"] == "/auth/console/overview"
