"""Both logs in the console: sentences for whoever may read them, and for nobody else."""

import html
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World
from tests.web.account_pages import text_of
from tests.web.test_signing_in import OURS, sign_in

from keyfob.authority.models import Role

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0"
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


def part_links(answer: httpx.Response) -> list[str]:
    """The links of parts of lines, which filter by them."""
    lines = re.findall(r'<p class="where parts">.*</p>', answer.text)
    return links_in(r'href="/auth([^"]*)"', "".join(lines))


def raw_links(answer: httpx.Response) -> list[str]:
    """The links of lines to their raw events."""
    return links_in(r'data-raw="/auth([^"]*)"', answer.text)


def links_in(pattern: str, text: str) -> list[str]:
    return [html.unescape(link) for link in re.findall(pattern, text)]


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
    for at in range(28):
        await world.log_in(by=f"203.0.113.{at}")

    first = await root.get("/console/logins?size=25")
    following = first.text.partition('rel="next"')[0].rpartition('href="')[2].rpartition('"')[0]
    second = await root.get(following.replace("&amp;", "&").removeprefix("/auth"))

    assert first.text.count("<li data-row><span") == 25
    assert second.status_code == 200
    assert second.text.count("<li data-row><span") == 4  # of 28 sign-ins and one of the reader


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
        "browser=%00&os=" + "x" * 600,
        "browser=%FF&amount=0",
        "amount=" + "9" * 50,
        "amount=%D9%A1",
    ],
)
async def test_no_filter_breaks_a_page(root: httpx.AsyncClient, query: str) -> None:
    for log in ("logins", "audit", "logins/raw", "audit/raw"):
        assert (await root.get(f"/console/{log}?{query}")).status_code == 200


@pytest.mark.parametrize("name", ["os", "kind", "user", "since", "address"])
async def test_what_is_no_filter_is_not_repeated_in_each_line(
    world: World, root: httpx.AsyncClient, name: str
) -> None:
    """Threat: a link of 32 KB makes a page of as many megabytes as it has lines."""
    for number in range(30):
        await world.attempt_login(f"nobody{number}@example.com", "wrong")
    plain = await root.get("/console/logins?size=100")

    swollen = await root.get("/console/logins", params={"size": "100", name: "/" * 10_000})

    assert swollen.status_code == 200
    # The ways to another language and to lower rows have it, once each.
    assert len(swollen.text) < len(plain.text) + 65_000


async def test_lines_that_repeat_are_one_with_their_number_and_times(
    world: World, root: httpx.AsyncClient, clock: MovableClock
) -> None:
    await world.make_user(name="Ada")
    clock.set(clock.now().replace(hour=14, minute=2, second=0))
    for _ in range(3):
        await world.attempt_login(password="wrong password", by="203.0.113.7")
        clock.advance(200)
    await world.attempt_login(password="wrong password", by="203.0.113.8")
    clock.advance(1)

    answer = await root.get("/console/logins?outcome=refused")
    shown = text_of(answer)

    assert shown.count("Somebody tried a wrong password for Ada") == 2
    assert re.search(r"for Ada 3 times .*203\.0\.113\.7 .* 14:02 to 14:08", shown)

    (raw,) = (link for link in raw_links(answer) if "amount=3" in link)
    events = await root.get(raw)
    assert events.text.count("<pre") == 3
    assert events.text.count("203.0.113.7") == 3


async def test_the_same_change_folds_but_another_does_not(
    world: World, root: httpx.AsyncClient
) -> None:
    user_id = await world.make_user(name="Ada")
    own = await world.log_in("root@example.com")
    for status in ("blocked", "active", "blocked"):
        path = f"/admin/users/{user_id}"
        await world.api.patch(path, json={"status": status}, headers=own.headers)
    for _ in range(2):
        await world.api.post(f"/admin/users/{user_id}/invite", headers=own.headers)

    shown = text_of(await root.get("/console/audit"))

    assert len(re.findall(r"blocked Ada(?! 2)", shown)) == 3  # twice, and its end between them


async def test_every_part_of_a_line_filters_by_it(world: World, root: httpx.AsyncClient) -> None:
    user_id = await world.make_user(name=HELL)
    await world.make_user("bob@example.com", name="Bob")
    async with world.client(**{"User-Agent": FIREFOX}) as browser:
        await world.attempt_login(password="wrong password", by=browser)
    await world.attempt_login("bob@example.com", "wrong password", by="203.0.113.8")

    answer = await root.get("/console/logins?outcome=refused")
    links = part_links(answer)

    about = [link for link in links if f"user={user_id}" in link]
    device = [link for link in links if "browser=Firefox+130&os=Windows+10" in link]
    reason = [link for link in links if "kind=wrong_password" in link]
    address = [link for link in links if "address=203.0.113.8" in link]
    for one, is_bobs in ((about[0], False), (device[0], False), (address[0], True)):
        assert one.startswith("/console/logins?outcome=refused&")
        found = text_of(await root.get(one)).partition("Show only:")[2]
        assert ("Bob" in found, "onerror" in found) == (is_bobs, not is_bobs)
    assert len({*reason}) == 1

    narrowed = await root.get(device[0])
    assert "Device: Firefox 130, Windows 10" in text_of(narrowed)
    assert 'name="browser" value="Firefox 130"' in narrowed.text
    assert not [
        link
        for link in part_links(narrowed)
        if "kind=" not in link and "user=" not in link and "address=" not in link
    ]
    chip = re.search(r'<a class="chip active" href="/auth([^"]*)"', narrowed.text)
    assert chip
    assert chip[1] == "/console/logins?outcome=refused"


async def test_the_parts_of_a_change_filter_by_action_actor_and_target(
    world: World, root: httpx.AsyncClient
) -> None:
    user_id = await world.make_user(name="Ada")
    own = await world.log_in("root@example.com")
    for role in ("moderator", "user"):
        await world.api.patch(f"/admin/users/{user_id}", json={"role": role}, headers=own.headers)
    await world.make_user("bob@example.com", name="Bob")

    links = part_links(await root.get("/console/audit"))

    for part in ("kind=user.changed", f"target={user_id}", "actor="):
        link = next(link for link in links if part in link)
        answer = await root.get(link)
        assert answer.status_code == 200
        assert "changed the role of Ada" in text_of(answer)
        assert "Bob" not in text_of(answer)
    assert "By: root@example.com" in text_of(answer)
    narrowed = await root.get(next(link for link in links if f"target={user_id}" in link))
    assert "About: Ada" in text_of(narrowed)


async def test_the_raw_event_comes_when_it_is_asked_for(
    world: World, root: httpx.AsyncClient, clock: MovableClock
) -> None:
    user_id = await world.make_user("ada@example.com", name=HELL)
    await world.attempt_login(password="wrong password", by="203.0.113.7")
    clock.advance(1)
    await world.attempt_login(password="wrong password", by="203.0.113.8")

    answer = await root.get("/console/logins?outcome=refused")
    links = raw_links(answer)
    raw = await root.get(links[1])

    assert "<pre" not in answer.text
    assert len(links) == 2
    assert raw.text.count("<pre") == 1
    assert "203.0.113.7" in raw.text
    assert str(user_id) in raw.text
    assert "<img src=x" not in raw.text
    audit = await root.get("/console/audit")
    assert "wrong" not in (await root.get(raw_links(audit)[0])).text


async def test_raw_events_are_for_whoever_may_read_the_log(
    world: World, page: httpx.AsyncClient
) -> None:
    await world.make_user()
    await sign_in(page)

    for log in ("logins", "audit"):
        assert (await page.get(f"/console/{log}/raw")).status_code == 403


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


async def test_the_number_of_rows_is_remembered_for_all_lists(
    world: World, root: httpx.AsyncClient
) -> None:
    for path in ("/console/users", "/console/audit", "/console/logins"):
        await root.get("/console/logins?size=50")
        remembered = await root.get(path)
        await root.get(f"{path}?size=25")
        again = await root.get(path)

        assert '<span aria-current="true">50</span>' in remembered.text
        assert "size=25" in remembered.text
        assert '<span aria-current="true">25</span>' in again.text
    for planted in ("7", "x", "50;", '"><b>'):
        root.cookies.set("keyfob-rows", planted)
        assert (await root.get("/console/users")).status_code == 200
