"""APIs that tokens are for, in the console."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.programs import give_role
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import text_of
from tests.web.markup import ensure_sound, parse
from tests.web.test_signing_in import OURS, sign_in

from keyfob.authority.models import Role

LIST = "/console/resources"
ORDERS = {
    "name": "Orders",
    "identifier": "https://orders.example.com",
    "scopes": "orders:read\r\norders:write",
    "access_token_ttl": "120",
}


@pytest.fixture
async def root(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which an administrator is signed in."""
    await world.make_user("root@example.com", role=Role.ADMIN)
    async with world.client(**OURS) as browser:
        assert (await sign_in(browser, "root@example.com")).status_code == 303
        yield browser


@pytest.fixture
async def orders(world: World, root: httpx.AsyncClient) -> str:
    """The path of an API that is registered."""
    assert (await root.post(f"{LIST}/new", data=ORDERS)).status_code == 303
    return f"{LIST}/{await world.db.fetchval('SELECT id FROM resources')}"


async def register_program(root: httpx.AsyncClient, *rights: str) -> None:
    chosen = [f"{ORDERS['identifier']} {right}" for right in rights]
    fields = {"name": "Reports", "scope": chosen, "method": "client_secret_basic"}
    assert (await root.post("/console/clients/new", data=fields)).status_code == 200


async def kept(world: World) -> dict[str, Any]:
    row = await world.db.fetchrow("SELECT name, scopes, access_token_ttl FROM resources")
    assert row is not None
    scopes = row["scopes"] if isinstance(row["scopes"], dict) else json.loads(row["scopes"])
    return {**row, "scopes": scopes}


async def test_an_api_is_registered_shown_and_named_in_the_log(
    world: World, root: httpx.AsyncClient, orders: str
) -> None:
    listed = await root.get(LIST)
    shown = await root.get(orders)
    log = await root.get("/console/audit")

    for page in (listed, shown):
        ensure_sound(parse(page.text))
    assert f'href="/auth{orders}"' in listed.text
    assert "this service" in listed.text
    assert "at most 2 min" in text_of(shown)
    assert await kept(world) == {
        "name": "Orders",
        "scopes": {"orders:read": {}, "orders:write": {}},
        "access_token_ttl": 120,
    }
    assert f'href="/auth{orders}"' in log.text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": ""}, "Type a name"),
        ({"identifier": "orders"}, "Type a whole address"),
        ({"identifier": "https://x/#y"}, "Type a whole address"),
        ({"access_token_ttl": "59"}, "from 60 to 3600"),
        ({"access_token_ttl": "1e9"}, "from 60 to 3600"),
        ({"scopes": "Orders!"}, "A right is a name"),
        ({"scopes": "openid"}, "A right is a name"),
        ({"scopes": "\n".join(f"r{number}" for number in range(101))}, "a hundred at most"),
    ],
)
async def test_what_does_not_fit_is_said_at_its_field_and_kept(
    world: World, root: httpx.AsyncClient, fields: dict[str, str], said: str
) -> None:
    answer = await root.post(f"{LIST}/new", data={**ORDERS, **fields})

    assert answer.status_code == 422
    ensure_sound(parse(answer.text))
    assert said in text_of(answer)
    assert {**ORDERS, **fields}["identifier"] in answer.text
    assert await world.db.fetchval("SELECT count(*) FROM resources") == 0


async def test_neither_an_identifier_that_is_taken_nor_our_own_is_registered(
    root: httpx.AsyncClient, orders: str
) -> None:
    own = re.search(r"<code>(http://localhost[^<]*)</code>", (await root.get(LIST)).text)
    assert own

    again = await root.post(f"{LIST}/new", data=ORDERS)
    ours = await root.post(f"{LIST}/new", data={**ORDERS, "identifier": own[1]})

    assert (again.status_code, ours.status_code) == (409, 409)
    assert 'value="Orders"' in again.text


async def test_its_name_and_lifetime_are_changed(
    world: World, root: httpx.AsyncClient, orders: str
) -> None:
    changed = await root.post(f"{orders}/facts", data={"name": "Sales", "access_token_ttl": ""})
    wrong = await root.post(f"{orders}/facts", data={"name": "Sales", "access_token_ttl": "9"})

    assert (changed.status_code, wrong.status_code) == (303, 422)
    assert 'value="9"' in wrong.text
    found = await kept(world)
    assert (found["name"], found["access_token_ttl"]) == ("Sales", None)
    assert found["scopes"].keys() == {"orders:read", "orders:write"}


async def test_a_right_is_added_and_told_in_each_language(
    world: World, root: httpx.AsyncClient, orders: str
) -> None:
    told = {"right": "orders:read", "words_en": "See your orders", "words_ru": "Видеть заказы"}

    said = await root.post(f"{orders}/rights", data=told)
    added = await root.post(f"{orders}/rights", data={"right": "orders:list"})
    wrong = await root.post(f"{orders}/rights", data={"right": "No Right!"})
    shown = await root.get(f"{orders}?lang=ru")

    assert (said.status_code, added.status_code, wrong.status_code) == (303, 303, 422)
    assert "Видеть заказы" in text_of(shown)
    assert (await kept(world))["scopes"] == {
        "orders:read": {"en": "See your orders", "ru": "Видеть заказы"},
        "orders:write": {},
        "orders:list": {},
    }


def seen(page: httpx.Response, action: str) -> dict[str, str]:
    """Return what the forms of a page have for an action, as its reader would send it back."""
    fields: dict[str, str] = {}
    for form in re.findall(rf'action="/auth{action}"[^>]*>(.*?)</form>', page.text, re.DOTALL):
        if 'name="seen_' in form:
            found = re.findall(r'<input[^>]*name="([\w-]+)"[^>]*>', form)
            values = [re.search(rf'<input[^>]*name="{name}"[^>]*>', form) for name in found]
            for name, field in zip(found, values, strict=True):
                value = re.search(r'value="([^"]*)"', field[0]) if field else None
                fields[name] = value[1] if value else ""
    return fields


async def test_an_older_form_gives_back_nothing_that_a_colleague_has_changed(
    world: World, root: httpx.AsyncClient, orders: str
) -> None:
    told = {"right": "orders:read", "words_en": "See orders", "words_ru": "Видеть"}
    await root.post(f"{orders}/rights", data=told)
    await root.post(f"{orders}/rights/remove", data={"right": "orders:write"})
    page = await root.get(orders)
    facts, words = seen(page, f"{orders}/facts"), seen(page, f"{orders}/rights")
    assert (facts["seen_access_token_ttl"], words["seen_words_en"]) == ("120", "See orders")

    await root.post(f"{orders}/facts", data={"name": "Sales", "access_token_ttl": "60"})
    await root.post(f"{orders}/rights", data={"right": "orders:read", "words_en": "Read orders"})
    await root.post(f"{orders}/facts", data={**facts, "name": "Buying"})
    await root.post(f"{orders}/rights", data={**words, "words_ru": "Смотреть"})

    found = await kept(world)
    assert (found["name"], found["access_token_ttl"]) == ("Buying", 60)
    assert found["scopes"] == {"orders:read": {"en": "Read orders", "ru": "Смотреть"}}

    await root.post(f"{orders}/rights/remove", data={"right": "orders:read"})
    again = await root.post(f"{orders}/rights", data={**words, "words_ru": "Читать"})

    assert again.headers["location"].endswith("done=gone")
    assert (await kept(world))["scopes"] == {}


async def test_the_log_says_what_a_change_has_changed(
    world: World, root: httpx.AsyncClient, orders: str
) -> None:
    await root.post(f"{orders}/facts", data={"name": "Sales", "access_token_ttl": "60"})
    await root.post(f"{orders}/rights", data={"right": "orders:read", "words_en": "See orders"})

    changes = [one for one in await world.audit_log() if one["action"] == "resource.changed"]
    assert [(one["old_values"], one["new_values"]) for one in changes] == [
        ({"name": "Orders", "access_token_ttl": 120}, {"name": "Sales", "access_token_ttl": 60}),
        ({}, {"words": ["orders:read (en): See orders"]}),
    ]
    assert "What it is for" in text_of(await root.get("/console/audit"))


async def test_a_right_is_deleted_and_lost_by_the_programs_that_the_page_counts(
    world: World, root: httpx.AsyncClient, orders: str
) -> None:
    await register_program(root, "orders:read", "orders:write")
    shown = await root.get(orders)

    removed = await root.post(f"{orders}/rights/remove", data={"right": "orders:write"})
    again = await root.post(f"{orders}/rights/remove", data={"right": "orders:write"})

    assert "1 program loses it, and all its tokens end at once." in shown.text
    assert removed.headers["location"].endswith("done=right_removed")
    assert again.headers["location"].endswith("done=gone")
    assert await world.db.fetchval("SELECT scope FROM clients") == ["orders:read"]
    assert (await kept(world))["scopes"].keys() == {"orders:read"}


async def test_an_api_that_a_program_has_is_not_deleted(
    world: World, root: httpx.AsyncClient, orders: str
) -> None:
    await register_program(root, "orders:read")
    shown = await root.get(orders)
    refused = await root.post(f"{orders}/delete")
    await world.db.execute("DELETE FROM clients")
    deleted = await root.post(f"{orders}/delete")
    again = await root.post(f"{orders}/delete")

    assert "1 program has it. Take it from the program first." in text_of(shown)
    assert 'data-dialog="delete"' not in shown.text
    assert refused.status_code == 409
    assert "Clients have this resource" in text_of(refused)
    assert deleted.headers["location"].endswith("done=deleted")
    assert again.headers["location"].endswith("done=gone")
    assert await world.db.fetchval("SELECT count(*) FROM resources") == 0


async def test_an_old_sign_in_is_asked_for_a_proof_and_goes_on(
    world: World, root: httpx.AsyncClient, orders: str, clock: MovableClock
) -> None:
    clock.advance(3600)

    asked = await root.post(f"{orders}/delete")
    right = await root.post(f"{orders}/delete", data={"step-up-password": PASSWORD})

    assert (asked.status_code, right.status_code) == (401, 303)
    assert await world.db.fetchval("SELECT count(*) FROM resources") == 0


async def test_nobody_else_sees_or_changes_them(
    world: World, root: httpx.AsyncClient, orders: str
) -> None:
    """A user sees none; whoever may only read sees no form, and changes nothing."""
    await world.make_user()
    async with world.client(**OURS) as page:
        await sign_in(page)
        for path in (LIST, f"{LIST}/new", orders):
            assert (await page.get(path)).status_code == 403
        await give_role(world, await world.log_in(), "clients:read")
        await sign_in(page)
        seen = [await page.get(path) for path in (LIST, orders)]
        changes = ("new", "facts", "rights", "rights/remove", "delete")
        refused = [
            await page.post(f"{LIST if one == 'new' else orders}/{one}", data=ORDERS)
            for one in changes
        ]

    assert [one.status_code for one in seen] == [200, 200]
    assert "<form class=" not in seen[1].text.partition("<main")[2].partition("</main>")[0]
    assert "Delete the API" not in seen[1].text
    assert [one.status_code for one in refused] == [403] * 5
    assert (await kept(world))["name"] == "Orders"
