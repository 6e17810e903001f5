"""The report of a change to many users, which comes piece by piece."""

import csv
import io
import re
from collections.abc import AsyncIterator
from html import unescape
from urllib.parse import unquote

import httpx
import pytest
from tests.fixtures.world import World
from tests.web.account_pages import HOSTILE, signed_in, text_of
from tests.web.markup import ensure_sound, forms_of, parse

from keyfob.administration.bulk import Bulk
from keyfob.authority.models import Role
from keyfob.web.console import report

BULK = "/console/users/bulk"


@pytest.fixture
async def root(world: World) -> AsyncIterator[httpx.AsyncClient]:
    await world.make_user("root@example.com", role=Role.ADMIN, name="Root")
    async with signed_in(world, "root@example.com") as browser:
        yield browser


async def make(world: World, amount: int) -> list[str]:
    return [
        str(await world.make_user(f"person{at}@example.com", name=f"Person {at}"))
        for at in range(amount)
    ]


def steps_of(answer: httpx.Response) -> list[tuple[int, int]]:
    found = re.findall(r'<progress max="(\d+)" value="(\d+)">', answer.text)
    return [(int(at), int(amount)) for amount, at in found]


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    link = re.search(r'href="data:text/csv;charset=utf-8,([^"]*)"', answer.text)
    assert link
    return list(csv.DictReader(io.StringIO(unquote(unescape(link[1])))))


async def test_it_says_how_far_the_change_is_in_some_steps(
    world: World, root: httpx.AsyncClient
) -> None:
    few, many = await make(world, 2), 45

    some = await root.post(BULK, data={"action": "block", "ids": few})
    ids = [str(await world.make_user(f"other{at}@example.com")) for at in range(many)]
    all_ = await root.post(BULK, data={"action": "sign-out", "ids": ids})

    assert steps_of(some) == [(1, 2), (2, 2)]
    assert [amount for _, amount in steps_of(all_)] == [many] * 22
    assert [at for at, _ in steps_of(all_)] == list(range(2, many, 2))
    assert "45 users are being changed" in all_.text
    for answer in (some, all_):
        ensure_sound(parse(answer.text))
        assert "no-store" in answer.headers["cache-control"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["content-language"] == "en"


async def test_it_names_people_beside_their_ids(world: World, root: httpx.AsyncClient) -> None:
    ada = await world.make_user("ada@example.com", name=HOSTILE)
    formula = await world.make_user("eve@example.com", name="=1+1")
    own = await world.db.fetchval("SELECT id FROM users WHERE role = 'admin'")
    nobody = "01900000-0000-7000-8000-000000000000"

    answer = await root.post(
        BULK, data={"action": "delete", "sure": "yes", "ids": [ada, formula, own, nobody]}
    )

    said = text_of(answer)
    assert "<img src=x" not in answer.text
    assert "Done: 2, refused: 2, not reached: 0" in said
    assert f"{HOSTILE}ada@example.com Done {ada}" in said
    assert f'href="/auth/console/users/{ada}"' not in answer.text  # there is no such page any more
    assert f'href="/auth/console/users/{own}"' in answer.text
    rows = {row["id"]: row for row in rows_of(answer)}
    assert rows[str(ada)]["email"] == "ada@example.com"
    assert rows[str(ada)]["outcome"] == "done"
    assert rows[str(formula)]["name"] == "'=1+1"
    assert rows[str(own)] | {"reason": ""} == {
        "id": str(own),
        "email": "root@example.com",
        "name": "Root",
        "outcome": "refused",
        "reason": "",
    }
    assert rows[nobody]["email"] == ""
    assert world.service(Bulk).places.taken.total() == 0


async def test_it_leads_back_to_the_list_as_it_was_also_after_an_undo(
    world: World, root: httpx.AsyncClient
) -> None:
    ids = await make(world, 2)
    state = "search=person&size=50"

    answer = await root.post(BULK, data={"action": "block", "ids": ids, "state": state})
    undo = next(form for form in forms_of(answer) if form.path == f"{BULK}/undo")
    undone = await root.post(undo.path, data=undo.fields)

    for one in (answer, undone):
        assert 'href="/auth/console/users?search=person&amp;size=50"' in one.text
        assert "Person 0person0@example.com" in text_of(one)
    assert await world.db.fetchval("SELECT count(*) FROM users WHERE status = 'blocked'") == 0


async def test_it_is_in_the_language_of_the_reader_to_the_end(
    world: World, root: httpx.AsyncClient
) -> None:
    ids = await make(world, 1)
    await root.get("/ui/help?lang=ru")

    answer = await root.post(BULK, data={"action": "block", "ids": ids})

    assert "Изменяется 1 учётная запись" in answer.text
    assert "1 из 1" in answer.text
    assert "Готово" in answer.text
    assert "Done" not in answer.text


async def test_many_changes_are_undone_in_portions_that_say_which(
    world: World, root: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await make(world, 3)
    monkeypatch.setattr(report, "MOST_UNDONE", 2)

    answer = await root.post(BULK, data={"action": "block", "ids": ids})

    portions = [form for form in forms_of(answer) if form.path == f"{BULK}/undo"]
    assert [len(form.fields["events"].split()) for form in portions] == [2, 1]
    assert "Undo 1 to 2" in text_of(answer)
    assert "Undo 3 to 3" in text_of(answer)


async def test_with_a_list_that_there_is_not_nothing_is_changed(
    world: World, root: httpx.AsyncClient
) -> None:
    ids = await make(world, 1)

    answer = await root.post(BULK, data={"action": "block", "ids": ids, "state": "sort=x"})

    assert answer.status_code == 422
    assert await world.db.fetchval("SELECT count(*) FROM users WHERE status = 'blocked'") == 0
    assert world.service(Bulk).places.taken.total() == 0
