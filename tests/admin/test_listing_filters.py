"""The list of users by verified address, by factor and by time, in both directions."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from tests.admin.test_listing import SORTS, expected, walk
from tests.fixtures.clock import START
from tests.fixtures.people import Person, read_people
from tests.fixtures.world import SignedIn, World

from keyfob.administration import service
from keyfob.administration.models import Sort, UserFilter
from keyfob.administration.service import Administration
from keyfob.core.secrets import new_id

TYPES = {0: ["totp"], 1: ["passkey"], 2: ["totp", "passkey"], 3: ["unconfirmed"]}


@pytest.fixture
async def varied(world: World, people: list[Person]) -> list[Person]:
    """The same people; every third is verified, and two of five have a factor, or two."""
    others = [person for person in people if person["email"] != "root@example.com"]
    for number, person in enumerate(others):
        if number % 3 == 0:
            await world.db.execute(
                "UPDATE users SET email_verified_at = now() WHERE id = $1", person["id"]
            )
        for kind in TYPES.get(number % 10, []):
            await add_factor(world, person, kind)
    return await read_people(world.db)


async def add_factor(world: World, person: Person, kind: str) -> None:
    is_passkey = kind == "passkey"
    await world.db.execute(
        """
        INSERT INTO factors (id, user_id, type, name, created_at, confirmed_at, secret,
                             credential_id, public_key)
        VALUES ($1, $2, $3, 'x', $4, $5, $6, $7, $8)
        """,
        new_id(START),
        person["id"],
        "passkey" if is_passkey else "totp",
        START,
        None if kind == "unconfirmed" else START,
        None if is_passkey else b"",
        person["id"].bytes if is_passkey else None,
        b"" if is_passkey else None,
    )


def at(days: float) -> str:
    return (START - timedelta(days=days)).isoformat()


def active(person: Person, since: timedelta) -> bool:
    return bool(person["last_active_at"] and person["last_active_at"] >= START - since)


FILTERS: list[tuple[dict[str, str], Any]] = [
    ({"verified": "true"}, lambda row: row["email_verified_at"] is not None),
    ({"verified": "false"}, lambda row: row["email_verified_at"] is None),
    ({"factor": "none"}, lambda row: not (row["has_totp"] or row["has_passkey"])),
    ({"factor": "any"}, lambda row: row["has_totp"] or row["has_passkey"]),
    ({"factor": "totp"}, lambda row: row["has_totp"]),
    ({"factor": "passkey"}, lambda row: row["has_passkey"]),
    ({"created_after": at(5)}, lambda row: row["created_at"] >= START - timedelta(days=5)),
    ({"created_before": at(5)}, lambda row: row["created_at"] < START - timedelta(days=5)),
    ({"active_after": at(4 / 1440)}, lambda row: active(row, timedelta(minutes=4))),
    (
        {"factor": "none", "verified": "false", "role": "user", "created_after": at(20)},
        lambda row: (
            not (row["has_totp"] or row["has_passkey"])
            and row["email_verified_at"] is None
            and row["role"] == "user"
            and row["created_at"] >= START - timedelta(days=20)
        ),
    ),
    ({"factor": "any", "search": "person01"}, lambda row: has_any(row, "person01")),
    ({"created_after": "9999-12-31T00:00:00Z"}, lambda row: False),
    ({"created_before": "0001-01-01T00:00:00Z"}, lambda row: False),
]


def has_any(row: Person, prefix: str) -> bool:
    return row["email_normal"].startswith(prefix) and (row["has_totp"] or row["has_passkey"])


@pytest.mark.parametrize("most", [10_000, 20])
@pytest.mark.parametrize(("query", "matches"), FILTERS, ids=[str(query) for query, _ in FILTERS])
async def test_filters_hold_in_every_order_whether_few_match_or_many(
    world: World,
    admin: SignedIn,
    varied: list[Person],
    query: dict[str, str],
    matches: Any,
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "MOST_COUNTED", most)
    wanted = [row for row in varied if matches(row)]
    first = await world.api.get("/admin/users", params=query, headers=admin.headers)

    told = first.headers["x-total-count"], first.headers["x-total-capped"]
    is_capped = len(wanted) > most
    assert told == (str(most if is_capped else len(wanted)), str(is_capped).lower())
    for sort in ("created_at", "-email", "last_active_at"):
        found = await walk(world, admin, sort=sort, limit=60, **query)
        assert found == expected(wanted, sort)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("query", [{}, {"verified": False}])
async def test_the_page_before_a_place_is_the_one_that_led_to_it(
    world: World, admin: SignedIn, varied: list[Person], sort: str, query: dict[str, Any]
) -> None:
    assert varied
    assert admin
    users = world.service(Administration)
    pages = []
    place = None
    for _ in range(4):
        page = await users.list_page(UserFilter(**query), sort=Sort(sort), after=place, limit=30)
        place = [page.rows[-1].place, str(page.rows[-1].profile.id)]
        pages.append(page)

    for before, page in pairwise(pages):
        place = [page.rows[0].place, str(page.rows[0].profile.id)]
        back = await users.list_page(UserFilter(**query), sort=Sort(sort), before=place, limit=30)
        assert back == before


async def test_a_factor_is_listed_while_it_is_there(world: World, admin: SignedIn) -> None:
    await world.make_user()

    async def shown() -> list[bool]:
        found = await world.service(Administration).list_page(UserFilter(search="ada@"), limit=2)
        return [row.has_factor for row in found.rows]

    assert await shown() == [False]
    (person,) = [one for one in await read_people(world.db) if "ada@" in one["email"]]
    await add_factor(world, person, "unconfirmed")
    assert await shown() == [False]
    await world.db.execute("UPDATE factors SET confirmed_at = now()")
    assert await shown() == [True]
    await add_factor(world, person, "passkey")
    await world.db.execute("DELETE FROM factors WHERE type = 'totp'")
    assert await shown() == [True]
    await world.db.execute("DELETE FROM factors")
    assert await shown() == [False]
    assert admin


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ({"verified": "perhaps"}, "/query/verified"),
        ({"factor": "sms"}, "/query/factor"),
        ({"created_after": "yesterday"}, "/query/created_after"),
        ({"created_after": "1700000000"}, "/query/created_after"),
        ({"created_before": "2026-11-22T12:00:00"}, "/query/created_before"),
        ({"active_after": "0001-01-01T00:00:00+23:00"}, "/query/active_after"),
        ({"password_hash": "x"}, "/query"),
        ({"sort": "email", "__class__": "x"}, "/query"),
        ({"verified_at": "true"}, "/query"),
    ],
    ids=str,
)
async def test_filters_that_are_unknown_or_cannot_be_meant_are_refused(
    world: World, admin: SignedIn, query: dict[str, str], place: str
) -> None:
    answer = await world.api.get("/admin/users", params=query, headers=admin.headers)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [place]
    assert "x" not in [error["detail"] for error in answer.json()["errors"]]
