"""An administrator changes how a program proves itself and asks, on its page."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.apps import CALLBACK, hidden_fields, make_app
from tests.fixtures.programs import make_program, make_resource, own_api
from tests.fixtures.world import World
from tests.web.account_pages import signed_in, text_of
from tests.web.markup import form_to

from keyfob.authority.models import Role

KEYS = "https://app.example.com/jwks.json"


@pytest.fixture
async def root(world: World) -> AsyncIterator[httpx.AsyncClient]:
    await world.make_user("root@example.com", role=Role.ADMIN)
    async with signed_in(world, "root@example.com") as browser:
        yield browser


async def form_of(root: httpx.AsyncClient, client_id: UUID) -> dict[str, str]:
    """Return the form as a browser would send it unchanged: only the fields that it has."""
    page = await root.get(f"/console/clients/{client_id}")
    seen = {name: value for name, value in hidden_fields(page) if name.startswith("seen_")}
    offered = {one.name for one in form_to(page, f"/console/clients/{client_id}/rules").inputs}
    now = {name.removeprefix("seen_"): value for name, value in seen.items()}
    return {name: seen[name] for name in seen if name in offered} | {
        name: value for name, value in now.items() if value and name in offered
    }


async def change(root: httpx.AsyncClient, client_id: UUID, **fields: str | None) -> httpx.Response:
    form = {**await form_of(root, client_id), **fields}
    sent = {name: value for name, value in form.items() if value is not None}
    return await root.post(f"/console/clients/{client_id}/rules", data=sent)


async def row_of(world: World, client_id: UUID) -> dict[str, Any]:
    row = await world.db.fetchrow("SELECT * FROM clients WHERE id = $1", client_id)
    assert row is not None
    return dict(row)


async def test_each_field_is_changed_and_nothing_else(
    world: World, root: httpx.AsyncClient
) -> None:
    app = await make_app(world)
    before = await row_of(world, app.id)

    same = await change(root, app.id)
    untouched = await row_of(world, app.id)
    done = await change(
        root,
        app.id,
        rotate_refresh=None,
        require_par="yes",
        dpop_bound="yes",
        jwks_uri=KEYS,
        require_signed_request="yes",
        id_token_alg="ES256",
        access_token_ttl="600",
    )
    after = await row_of(world, app.id)

    assert (same.status_code, done.status_code) == (303, 303)
    assert untouched == before
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {
        *("rotate_refresh", "require_par", "dpop_bound", "jwks_uri", "require_signed_request"),
        *("id_token_alg", "access_token_ttl", "generation"),
    }
    assert after["rotate_refresh"] is False
    told = (await world.audit_log())[-1]
    assert told["old_values"]["rotate_refresh"] is True


async def test_what_another_has_changed_meanwhile_stays(
    world: World, root: httpx.AsyncClient
) -> None:
    app = await make_app(world)
    opened = await form_of(root, app.id)
    await change(root, app.id, require_par="yes")

    await root.post(f"/console/clients/{app.id}/rules", data={**opened, "access_token_ttl": "600"})

    row = await row_of(world, app.id)
    assert (row["require_par"], row["access_token_ttl"]) == (True, 600)


async def test_a_profile_is_put_on_and_holds(world: World, root: httpx.AsyncClient) -> None:
    app = await make_app(world)

    bare = await change(root, app.id, profile="fapi2")
    put = await change(root, app.id, profile="fapi2", jwks_uri=KEYS)
    page = await root.get(f"/console/clients/{app.id}")
    forced = await change(root, app.id, dpop_bound=None, require_par=None, rotate_refresh="yes")
    held = await row_of(world, app.id)
    off = await change(root, app.id, profile="")

    assert (bare.status_code, put.status_code, off.status_code) == (422, 303, 303)
    assert "address of its keys" in text_of(bare)
    assert "FAPI 2.0" in text_of(page)
    assert 'name="dpop_bound"' not in page.text
    assert forced.status_code == 303
    assert (held["dpop_bound"], held["require_par"], held["rotate_refresh"]) == (True, True, False)
    row = await row_of(world, app.id)
    assert (row["profile"], row["require_par"], row["dpop_bound"]) == (None, True, True)
    assert row["auth_method"] == "private_key_jwt"


async def test_a_refused_form_that_takes_a_profile_off_is_filled_again(
    world: World, root: httpx.AsyncClient
) -> None:
    app = await make_app(world)
    await change(root, app.id, profile="fapi2", jwks_uri=KEYS)

    wrong = await change(root, app.id, profile="", access_token_ttl="1")

    assert wrong.status_code == 422
    assert 'name="dpop_bound"' not in wrong.text
    assert (await row_of(world, app.id))["profile"] == "fapi2"


async def test_wrong_fields_are_named_and_kept(world: World, root: httpx.AsyncClient) -> None:
    app = await make_app(world)
    before = await row_of(world, app.id)
    wrong = [
        {"access_token_ttl": "1"},
        {"access_token_ttl": "soon"},
        {"jwks_uri": "http://app.example.com/keys"},
        {"auth_method": "private_key_jwt"},
        {"auth_method": "none"},
        {"require_signed_request": "yes"},
        {"id_token_alg": "none"},
        {"profile": "fapi3"},
    ]

    for fields in wrong:
        answer = await change(root, app.id, **fields)
        assert answer.status_code == 422, fields
    assert 'value="http://app.example.com/keys"' in (await change(root, app.id, **wrong[2])).text
    assert await row_of(world, app.id) == before


async def test_a_service_has_the_fields_of_a_service(world: World, root: httpx.AsyncClient) -> None:
    await make_resource(world)
    program = await make_program(world)

    page = await root.get(f"/console/clients/{program.id}")
    done = await change(root, program.id, auth_method="private_key_jwt", jwks_uri=KEYS)

    assert 'name="first_party"' not in page.text
    assert 'name="id_token_alg"' not in page.text
    assert done.status_code == 303
    assert (await row_of(world, program.id))["auth_method"] == "private_key_jwt"


async def test_an_app_is_registered_with_a_key_a_profile_and_rights_at_our_own_api(
    world: World, root: httpx.AsyncClient
) -> None:
    form = await root.get("/console/clients/new?kind=web")
    own = f"{own_api(world)} account:read"
    fields = {"kind": "web", "name": "Bank", "redirect_uris": CALLBACK, "scope": own}
    signs = {**fields, "method": "private_key_jwt", "jwks_uri": KEYS}

    bare = await root.post("/console/clients/new", data={**fields, "profile": "fapi2"})
    made = await root.post("/console/clients/new", data={**signs, "profile": "fapi2"})
    service = await root.get("/console/clients/new?kind=service")

    assert own in form.text
    assert own not in service.text
    assert (bare.status_code, made.status_code) == (422, 200)
    [row] = await world.db.fetch("SELECT * FROM clients")
    assert (row["profile"], row["scope"], row["dpop_bound"]) == ("fapi2", ["account:read"], True)
