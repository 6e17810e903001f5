"""The list of users for spreadsheets: what is in it, and what no spreadsheet executes."""

import csv
import io
from typing import Any

import httpx
import pytest
from tests.fixtures.clock import START, MovableClock
from tests.fixtures.people import Person
from tests.fixtures.programs import give_role
from tests.fixtures.world import SignedIn, World

from keyfob.administration.exports import COLUMNS, UserExport
from keyfob.administration.models import UserFilter
from keyfob.core.problems import Unauthenticated
from keyfob.core.secrets import new_id


async def export(world: World, caller: SignedIn, **query: Any) -> httpx.Response:
    return await world.api.get("/admin/users.csv", params=query, headers=caller.headers)


def table(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


async def test_it_is_a_file_for_spreadsheets(world: World) -> None:
    admin = await world.make_admin()
    await world.make_user("Ada@Example.com", name='Ada "Countess", Ёлка')

    answer = await export(world, admin, search="ada@")

    assert answer.content.startswith(b"\xef\xbb\xbf" + ",".join(COLUMNS).encode() + b"\r\n")
    sent = {name: answer.headers[name] for name in ("content-type", "content-disposition")}
    assert sent == {
        "content-type": "text/csv; charset=utf-8",
        "content-disposition": 'attachment; filename="users-2026-11-22.csv"',
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    (ada,) = table(answer)
    assert ada | {"id": ""} == {
        "id": "",
        "email": "Ada@Example.com",
        "email_verified": "yes",
        "name": 'Ada "Countess", Ёлка',
        "role": "user",
        "status": "active",
        "second_factor": "no",
        "locale": "en",
        "timezone": "",
        "created_at": "2026-11-22T12:00:00+00:00",
        "last_active_at": "",
    }


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1+1", "=cmd|'/C calc'!A0", '="a","b"'],  # noqa: RUF001 - as spreadsheets read them
    ids=ascii,
)
async def test_no_cell_begins_a_formula(world: World, name: str) -> None:
    admin = await world.make_admin()
    user_id = await world.make_user(name="Ada")
    await world.db.execute(
        "UPDATE users SET name = $2, email = '=' || email WHERE id = $1", user_id, name
    )

    (ada,) = table(await export(world, admin, role="user"))

    marked = name.replace("\t=", "\t'=")  # where a tab separates cells
    assert (ada["name"], ada["email"]) == (f"'{marked}", "'=ada@example.com")


async def test_every_page_is_in_it_once_in_order(
    world: World, admin: SignedIn, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = world.service(UserExport)
    for page in (7, 43, 301, 1000):
        monkeypatch.setitem(service.__dict__, "page", page)
        rows = table(await export(world, admin))
        ordered = sorted(people, key=lambda row: (row["created_at"], row["id"]))
        assert [row["id"] for row in rows] == [str(row["id"]) for row in ordered]


async def test_filters_are_those_of_the_list(
    world: World, admin: SignedIn, people: list[Person]
) -> None:
    rows = table(await export(world, admin, role="moderator", status="blocked", verified="false"))

    expected = {
        str(row["id"])
        for row in people
        if (row["role"], row["status"]) == ("moderator", "blocked")
        and row["email_verified_at"] is None
    }
    assert {row["id"] for row in rows} == expected
    for query in ({"sort": "email"}, {"role": "root"}, {"password_hash": "x"}):
        assert (await export(world, admin, **query)).status_code == 422


async def test_it_is_on_record_without_what_was_searched_for(world: World) -> None:
    admin = await world.make_admin()

    await export(world, admin, search="ada@example.com", role="user", created_after=START)

    event = (await world.audit_log())[-1]
    assert (event["action"], event["target_id"]) == ("users.exported", None)
    assert event["new_values"] == {
        "filters": {
            "search": "(not kept)",
            "role": "user",
            "created_after": "2026-11-22T12:00:00Z",
        }
    }


async def test_it_needs_the_right_and_a_recent_sign_in(world: World, clock: MovableClock) -> None:
    await world.make_user()
    ada = await world.log_in()
    assert (await export(world, ada)).status_code == 403
    await give_role(world, ada, "users:read")
    reader = await world.log_in()
    assert (await export(world, reader)).status_code == 200

    clock.advance(301)
    old = SignedIn.of(await world.refresh(reader.refresh))
    answer = await export(world, old)

    assert (answer.status_code, answer.json()["code"]) == (401, "insufficient_user_authentication")
    assert [one["action"] for one in await world.audit_log()].count("users.exported") == 1


async def test_it_breaks_off_when_the_right_ends(
    world: World, admin: SignedIn, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert admin
    assert people
    service = world.service(UserExport)
    monkeypatch.setitem(service.__dict__, "page", 100)
    asked = 0

    async def may_still() -> bool:
        nonlocal asked
        asked += 1
        return asked < 3

    pieces: list[bytes] = []

    async def read() -> None:
        rows = service.rows(UserFilter(), may_still)
        while True:
            pieces.append(await anext(rows))

    with pytest.raises(Unauthenticated):
        await read()
    assert b"".join(pieces).count(b"\r\n") == 201


async def test_one_administrator_has_one_at_a_time(world: World) -> None:
    admin = await world.make_admin()
    places = world.service(UserExport).places
    own = await world.db.fetchval("SELECT id FROM users")
    places.take(own)
    assert (await export(world, admin)).status_code == 429
    places.give(own)
    for _ in range(2):
        assert (await export(world, admin)).status_code == 200
    for _ in range(places.most):
        places.take(new_id(START))
    assert (await export(world, admin)).status_code == 503
