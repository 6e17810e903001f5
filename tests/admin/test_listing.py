"""The list of users: orders, filters, pages."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.fixtures.clock import START, MovableClock
from tests.fixtures.people import AMOUNT, Person
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import SignedIn, World

from keyfob.accounts.models import Status
from keyfob.authority.models import Role

NEVER = START - timedelta(days=100_000)


async def pages(
    world: World, caller: SignedIn, path: str = "/admin/users", **query: Any
) -> AsyncIterator[httpx.Response]:
    """Follow the Link header from page to page."""
    answer = await world.api.get(path, params=query, headers=caller.headers)
    for _ in range(2 * AMOUNT):
        assert answer.status_code == 200, answer.text
        yield answer
        if "next" not in answer.links:
            return
        answer = await world.api.get(answer.links["next"]["url"], headers=caller.headers)
    raise AssertionError("the walk does not end")


async def walk(world: World, caller: SignedIn, **query: Any) -> list[str]:
    """Return the ids of the whole list, page by page."""
    return [user["id"] async for answer in pages(world, caller, **query) for user in answer.json()]


def key_of(sort: str) -> Callable[[Person], Any]:
    """Return the key of an order; among equals the id decides, in the same direction."""
    column = {"email": "email_normal"}.get(sort.lstrip("-"), sort.lstrip("-"))
    return lambda row: (row[column] if row[column] is not None else NEVER, row["id"])


def expected(people: list[Person], sort: str) -> list[str]:
    ordered = sorted(people, key=key_of(sort), reverse=sort.startswith("-"))
    return [str(row["id"]) for row in ordered]


SORTS = ["created_at", "-created_at", "last_active_at", "-last_active_at", "email", "-email"]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("limit", [7, 100])
async def test_every_order_is_walked_whole_and_each_row_is_met_once(
    world: World, admin: SignedIn, people: list[Person], sort: str, limit: int
) -> None:
    assert await walk(world, admin, sort=sort, limit=limit) == expected(people, sort)


async def test_a_page_tells_how_many_there_are_and_where_the_next_is(
    world: World, admin: SignedIn, people: list[Person]
) -> None:
    seen = [answer async for answer in pages(world, admin, limit=100)]

    assert [len(answer.json()) for answer in seen] == [100, 100, 100, 1]
    assert {answer.headers["x-total-count"] for answer in seen} == {str(len(people))}
    assert ["link" in answer.headers for answer in seen] == [True, True, True, False]


async def test_a_last_page_that_is_full_has_no_next(
    world: World, admin: SignedIn, people: list[Person]
) -> None:
    assert len([answer async for answer in pages(world, admin, limit=43)]) * 43 == len(people)
    whole = await world.api.get("/admin/users?limit=1000", headers=admin.headers)
    assert "link" not in whole.headers


async def test_by_default_a_page_holds_a_hundred_in_order_of_creation(
    world: World, admin: SignedIn, people: list[Person]
) -> None:
    answer = await world.api.get("/admin/users", headers=admin.headers)

    assert [user["id"] for user in answer.json()] == expected(people, "created_at")[:100]


async def test_the_next_page_keeps_the_question_and_its_prefix(
    world: World, admin: SignedIn, people: list[Person]
) -> None:
    answer = await world.api.get(
        "/auth/admin/users/",
        params={"sort": "-email", "search": "100%_", "limit": 5, "role": "user", "skip": 3},
        headers=admin.headers,
    )

    url = urlsplit(answer.links["next"]["url"])
    query = parse_qs(url.query)
    assert (url.scheme, url.netloc, url.path) == ("", "", "/auth/admin/users")
    assert len(query.pop("cursor")) == 1
    assert query == {"sort": ["-email"], "search": ["100%_"], "limit": ["5"], "role": ["user"]}
    following = await world.api.get(answer.links["next"]["url"], headers=admin.headers)
    ids = [
        str(row["id"])
        for row in sorted(people, key=key_of("email"), reverse=True)
        if row["role"] == "user" and row["name"]
    ]
    assert [user["id"] for user in answer.json() + following.json()] == ids[3:13]


FILTERS: list[tuple[dict[str, Any], Callable[[Person], bool]]] = [
    ({"role": "moderator"}, lambda row: row["role"] == "moderator"),
    ({"role": "user"}, lambda row: row["role"] == "user"),
    ({"status": "blocked"}, lambda row: row["status"] == "blocked"),
    (
        {"role": "admin", "status": "active"},
        lambda row: (row["role"], row["status"]) == ("admin", "active"),
    ),
    ({"search": "PERSON01"}, lambda row: row["email_normal"].startswith("person01")),
    ({"search": "name 3"}, lambda row: (row["name"] or "").startswith("Name 3")),
    ({"search": "%_\\"}, lambda row: row["name"] is not None),
    ({"search": "%%"}, lambda row: False),
    ({"search": "son_01"}, lambda row: False),
    ({"search": "' OR 1=1 --"}, lambda row: False),
    ({"search": "root@example.com "}, lambda row: row["email_normal"] == "root@example.com"),
    ({"search": ""}, lambda row: True),
    (
        {"online": "true"},
        lambda row: bool(
            row["last_active_at"] and row["last_active_at"] > START - timedelta(minutes=5)
        ),
    ),
    (
        {"online": "false"},
        lambda row: (
            not row["last_active_at"] or row["last_active_at"] <= START - timedelta(minutes=5)
        ),
    ),
    (
        {"search": "person", "role": "user", "status": "active", "online": "false"},
        lambda row: (
            row["role"] == "user"
            and row["status"] == "active"
            and (row["last_active_at"] or NEVER) <= START - timedelta(minutes=5)
        ),
    ),
]


@pytest.mark.parametrize(("query", "matches"), FILTERS, ids=[str(query) for query, _ in FILTERS])
async def test_filters_hold_together_in_every_order_and_in_the_count(
    world: World,
    admin: SignedIn,
    people: list[Person],
    query: dict[str, Any],
    matches: Callable[[Person], bool],
) -> None:
    wanted = [row for row in people if matches(row)]
    first = await world.api.get("/admin/users", params=query, headers=admin.headers)

    assert first.headers["x-total-count"] == str(len(wanted))
    for sort in ("email", "-last_active_at"):
        found = await walk(world, admin, sort=sort, limit=60, **query)
        assert found == expected(wanted, sort)


async def test_a_search_is_listed_and_counted_at_once(
    world: World, admin: SignedIn, people: list[Person]
) -> None:
    for wanted in (people[3]["email"], "example"):
        with recorded_statements() as seen:
            await world.api.get("/admin/users", params={"search": wanted}, headers=admin.headers)
        assert sum("FROM users AS u" in statement for statement in seen) == 1


async def test_skip_passes_over_rows(world: World, admin: SignedIn, people: list[Person]) -> None:
    for skip in (0, 1, 290, 301, 100_000):
        answer = await world.api.get(
            "/admin/users", params={"skip": skip, "limit": 1000}, headers=admin.headers
        )
        assert [user["id"] for user in answer.json()] == expected(people, "created_at")[skip:]
        assert answer.headers["x-total-count"] == str(len(people))


async def test_what_cannot_be_meant_is_refused(world: World, admin: SignedIn) -> None:
    for query in [
        {"limit": "0"},
        {"limit": "-1"},
        {"limit": "1001"},
        {"limit": "1000000000"},
        {"skip": "-1"},
        {"skip": "100001"},
        {"sort": "password_hash"},
        {"sort": "--email"},
        {"sort": "email; DROP TABLE users"},
        {"role": "root"},
        {"status": "deleted"},
        {"online": "perhaps"},
        {"search": "\x00"},
        {"cursor": "x" * 1025},
    ]:
        answer = await world.api.get("/admin/users", params=query, headers=admin.headers)

        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [
            f"/query/{next(iter(query))}"
        ]


async def test_a_cursor_is_good_for_its_own_order_alone_and_unchanged(
    world: World, admin: SignedIn, people: list[Person]
) -> None:
    assert people
    answer = await world.api.get("/admin/users?limit=5&sort=email", headers=admin.headers)
    cursor = parse_qs(urlsplit(answer.links["next"]["url"]).query)["cursor"][0]

    async def code_of(cursor: str, path: str = "/admin/users?sort=email") -> str:
        joint = "&" if "?" in path else "?"
        answer = await world.api.get(f"{path}{joint}cursor={cursor}", headers=admin.headers)
        return str(answer.json()["code"]) if answer.status_code == 400 else "accepted"

    others = [f"/admin/users?sort={sort}" for sort in SORTS if sort != "email"]
    others += ["/admin/users", "/admin/logins", "/admin/audit", "/me/logins"]
    changed = [
        cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        for at in range(len(cursor))
    ]
    cut = [cursor[:at] for at in range(1, len(cursor))]

    assert await code_of(cursor) == "accepted"
    assert {await code_of(cursor, path) for path in others} == {"invalid_cursor"}
    assert {await code_of(text) for text in [*changed, *cut, cursor + "AAAA"]} == {"invalid_cursor"}


@pytest.mark.parametrize("sort", SORTS)
async def test_a_walk_while_others_come_and_go_meets_each_that_stays_once(
    world: World, admin: SignedIn, people: list[Person], sort: str
) -> None:
    gone: set[str] = set()
    met: list[str] = []
    number = 0
    async for answer in pages(world, admin, sort=sort, limit=30):
        met += [user["id"] for user in answer.json()]
        await world.make_user(f"came{number}@example.com", status=list(Status)[number % 2])
        # The row that the cursor points at goes, and one far ahead or behind.
        for row_id in (met[-1], str(people[(number * 53) % AMOUNT]["id"])):
            await world.db.execute("DELETE FROM users WHERE id = $1::text::uuid", row_id)
            gone.add(row_id)
        number += 1

    stayed = {str(row["id"]) for row in people} - gone
    assert len(met) == len(set(met))
    assert stayed <= set(met)


async def test_a_row_is_shown_as_the_contract_says(world: World, admin: SignedIn) -> None:
    user_id = await world.make_user("Ada@Example.com", name="Ada")

    answer = await world.api.get("/admin/users?search=ada", headers=admin.headers)

    assert answer.json() == [
        {
            "id": str(user_id),
            "email": "Ada@Example.com",
            "email_verified": True,
            "name": "Ada",
            "role": "user",
            "status": "active",
            "locale": "en",
            "timezone": None,
            "created_at": "2026-11-22T12:00:00Z",
            "last_active_at": None,
            "online": False,
            "total_active_time": 0,
        }
    ]


async def test_activity_is_shown_once_it_is_written(world: World, clock: MovableClock) -> None:
    await world.make_user("root@example.com", role=Role.ADMIN)
    await world.make_user()
    signed_in = await world.log_in()
    clock.advance(90)
    await world.me(signed_in)
    await world.wiring.worker.last()

    async def shown() -> tuple[Any, ...]:
        caller = await world.log_in("root@example.com")  # the token of before has expired
        answer = await world.api.get("/admin/users?search=ada@", headers=caller.headers)
        (user,) = answer.json()
        return user["last_active_at"], user["online"], user["total_active_time"]

    assert await shown() == ("2026-11-22T12:01:30Z", True, 90)
    clock.advance(299)
    assert await shown() == ("2026-11-22T12:01:30Z", True, 90)
    clock.advance(1)
    assert await shown() == ("2026-11-22T12:01:30Z", False, 90)
