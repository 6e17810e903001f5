"""A page that answers a change shows nothing that its reader may not read."""

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.programs import give_role, make_resource, own_api
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import signed_in, text_of

from keyfob.authority.models import Role

CHANGES = {
    "roles:write": [
        ("/console/users/{bob}/roles/take", {"role": "auditor"}),
        ("/console/users/{bob}/roles", {"role": "auditor"}),
        ("/console/roles/nobody/delete", {}),
        ("/console/roles/auditor", {}),
    ],
    "users:write": [
        ("/console/users/{bob}/invite", {}),
        ("/console/users/{bob}/edit", {"email": "wrong", "name": ""}),
        ("/console/users/{bob}/remove", {"email": "bob@example.com"}),
    ],
    "sessions:end": [("/console/users/{bob}/sign-out", {})],
    "clients:write": [("/console/clients/new", {"name": ""})],
}


@pytest.mark.parametrize("permission", CHANGES)
async def test_who_may_only_change_reads_nothing(world: World, permission: str) -> None:
    bob = await world.make_user("bob@example.com", name="Bob Unseen")
    await make_resource(world)
    await world.make_user("ada@example.com")
    ada = await world.log_in("ada@example.com")
    await give_role(world, ada, permission)
    await give_role(world, await world.log_in("bob@example.com"), "audit:read", name="auditor")

    async with signed_in(world) as browser:
        for path, fields in CHANGES[permission]:
            answer = await browser.post(path.format(bob=bob), data=fields)
            assert answer.status_code == 403, path
            for unseen in ("bob@example.com", "Bob Unseen", "auditor", "orders:read"):
                assert unseen not in text_of(answer), path


@asynccontextmanager
async def administrator(world: World) -> AsyncIterator[httpx.AsyncClient]:
    await world.make_user("root@example.com", role=Role.ADMIN)
    async with signed_in(world, "root@example.com") as browser:
        yield browser


async def test_an_export_after_a_proof_is_whole_and_no_cell_is_a_formula(
    world: World, clock: MovableClock
) -> None:
    names = ["x;=HYPERLINK(A1);y", "=1", "a|+1", "a; @b", "x:-1", 'x;"=HYPERLINK(A1);y', 'x; "" +1']
    for number, hostile in enumerate(names):
        await world.make_user(f"user{number}@example.com", name=hostile)
    async with administrator(world) as root:
        clock.advance(3600)
        asked = await root.post("/console/users/export", data={"step-up-password": PASSWORD})

    table = asked.content.decode("utf-8-sig")
    assert asked.status_code == 200
    assert table.count("@example.com") == len(names) + 1
    for delimiter in (",", ";", "\t", "|"):
        cells = [
            cell for row in csv.reader(io.StringIO(table), delimiter=delimiter) for cell in row
        ]
        assert [one for one in cells if one.lstrip().startswith(("=", "+", "-", "@"))] == []


async def test_a_right_of_one_api_is_not_given_at_another_unseen(world: World) -> None:
    await make_resource(world, "https://crm.example.com", ("users:read",))
    fields = {
        "name": "Reader",
        "method": "client_secret_basic",
        "scope": ["https://crm.example.com users:read", f"{own_api(world)} revocations:read"],
    }
    async with administrator(world) as root:
        mixed = await root.post("/console/clients/new", data=fields)
        fields["scope"] = ["https://crm.example.com users:read"]
        plain = await root.post("/console/clients/new", data=fields)

    assert (mixed.status_code, plain.status_code) == (422, 200)
    assert "by the same name" in text_of(mixed)


@pytest.mark.parametrize("sent", ["\0", "users:read admin", "x" * 5000, "<b>", ""])
async def test_the_form_of_a_role_takes_what_the_api_takes(world: World, sent: str) -> None:
    async with administrator(world) as root:
        answer = await root.post("/console/new-role", data={"name": "odd", "permission": sent})

    assert answer.status_code in {303, 422}
    assert await world.db.fetchval("SELECT permissions FROM roles") in (None, [])
