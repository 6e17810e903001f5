"""Programs and roles in the console."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from tests.fixtures.apps import hidden_fields, make_app
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import PASSWORD, World
from tests.web.test_signing_in import OURS, sign_in

from keyfob.authority.models import Role

OURSELVES = "http://localhost:8000/auth users:read"


@pytest.fixture
async def root(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which an administrator is signed in."""
    await world.make_user("root@example.com", role=Role.ADMIN)
    async with world.client(**OURS) as browser:
        assert (await sign_in(browser, "root@example.com")).status_code == 303
        yield browser


async def register(root: httpx.AsyncClient, name: str = "Invoices") -> httpx.Response:
    form = await root.get("/console/clients/new")
    scope = re.search(r'value="([^"]* users:read)"', form.text)
    assert scope
    fields = {"name": name, "scope": scope[1], "method": "client_secret_basic"}
    return await root.post("/console/clients/new", data=fields)


async def test_a_program_is_registered_and_gets_tokens(
    world: World, root: httpx.AsyncClient
) -> None:
    made = await register(root)

    assert made.status_code == 200
    secret = re.search(r"kfcs_[\w-]+|kfs_[\w-]+", made.text)
    client_id = await world.db.fetchval("SELECT id FROM clients")
    assert secret
    grant = {"grant_type": "client_credentials"}
    given = await world.api.post("/oauth2/token", data=grant, auth=(str(client_id), secret[0]))
    assert given.status_code == 200
    again = await root.get(f"/console/clients/{client_id}")
    assert secret[0] not in again.text
    await root.post(f"/console/clients/{client_id}/disabled", data={"disabled": "yes"})
    refused = await world.api.post("/oauth2/token", data=grant, auth=(str(client_id), secret[0]))
    assert refused.status_code == 401


async def test_an_old_sign_in_is_asked_for_a_proof_and_goes_on(
    world: World, root: httpx.AsyncClient, clock: MovableClock
) -> None:
    await register(root)
    client_id = await world.db.fetchval("SELECT id FROM clients")
    clock.advance(3600)

    asked = await root.post(f"/console/clients/{client_id}/delete")
    wrong = await root.post(
        f"/console/clients/{client_id}/delete", data={"step-up-password": "wrong"}
    )
    right = await root.post(
        f"/console/clients/{client_id}/delete", data={"step-up-password": PASSWORD}
    )

    assert (asked.status_code, wrong.status_code, right.status_code) == (401, 401, 303)
    assert f'action="/auth/console/clients/{client_id}/delete"' in asked.text
    assert await world.db.fetchval("SELECT count(*) FROM clients") == 0


async def test_a_name_is_text(world: World, root: httpx.AsyncClient) -> None:
    await register(root, "<img src=x onerror=alert(1)>\"'{{7*7}}")

    listed = await root.get("/console/clients")

    assert "&lt;img src=x onerror=alert(1)&gt;" in listed.text
    assert "<img src=x" not in listed.text


async def test_a_role_is_defined_changed_and_deleted(world: World, root: httpx.AsyncClient) -> None:
    fields = {"name": "support", "permission": ["users:read", "logins:read"]}

    made = await root.post("/console/new-role", data=fields)
    twice = await root.post("/console/new-role", data=fields)
    odd = await root.post("/console/new-role", data={"name": "No Name!"})
    changed = await root.post("/console/roles/support", data={"permission": "users:read"})
    listed = await root.get("/console/roles")

    assert (made.status_code, twice.status_code, odd.status_code) == (303, 409, 422)
    assert changed.status_code == 303
    assert "support" in listed.text
    assert await world.db.fetchval("SELECT permissions FROM roles") == ["users:read"]
    assert (await root.post("/console/roles/support/delete")).status_code == 303
    assert await world.db.fetchval("SELECT count(*) FROM roles") == 0


async def test_a_role_may_be_named_as_a_form_is(world: World, root: httpx.AsyncClient) -> None:
    await root.post("/console/new-role", data={"name": "new", "permission": "users:read"})

    form = await root.get("/console/roles/new")
    changed = await root.post("/console/roles/new", data={"permission": "logins:read"})

    assert 'action="/auth/console/roles/new"' in form.text
    assert changed.status_code == 303
    assert await world.db.fetchval("SELECT permissions FROM roles") == ["logins:read"]


async def test_nobody_else_sees_or_changes_them(world: World) -> None:
    await world.make_user()
    async with world.client(**OURS) as page:
        await sign_in(page)
        for path in ("/console/clients", "/console/clients/new", "/console/roles"):
            assert (await page.get(path)).status_code == 403
        for path in ("/console/clients/new", "/console/new-role", "/console/roles/x/delete"):
            assert (await page.post(path)).status_code == 403


async def test_an_app_is_registered_by_its_kind_and_moves(
    world: World, root: httpx.AsyncClient
) -> None:
    form = await root.get("/console/clients/new?kind=web")
    fields = {
        "kind": "web",
        "name": "Ledger",
        "method": "client_secret_basic",
        "redirect_uris": "https://app.example.com/callback\r\nhttps://app.example.com/other",
        "first_party": "yes",
    }
    wrong = await root.post("/console/clients/new", data={**fields, "redirect_uris": "app"})
    made = await root.post("/console/clients/new", data=fields)
    client_id = await world.db.fetchval("SELECT id FROM clients")
    here = f"/console/clients/{client_id}"
    moved = await root.post(f"{here}/places", data={"redirect_uris": "https://app.example.com/"})
    lost = await root.post(f"{here}/places", data={"redirect_uris": "javascript:alert(1)"})

    assert 'name="redirect_uris"' in form.text
    assert (wrong.status_code, made.status_code, moved.status_code) == (422, 200, 303)
    assert "begin with https://" in wrong.text
    assert re.search(r"kfs_\w+", made.text)
    assert "/.well-known/openid-configuration" in made.text
    assert lost.status_code == 422
    kept = await world.db.fetchrow("SELECT redirect_uris, first_party FROM clients")
    assert kept is not None
    assert tuple(kept) == (["https://app.example.com/"], True)


async def test_what_happens_at_a_sign_out_is_registered_and_changed(
    world: World, root: httpx.AsyncClient
) -> None:
    after, hears = "https://app.example.com/bye", "https://app.example.com/hears"
    fields = {
        "kind": "web",
        "name": "Ledger",
        "method": "client_secret_basic",
        "redirect_uris": "https://app.example.com/callback",
        "post_logout_redirect_uris": f"{after}\r\n{after}2",
        "backchannel_logout_uri": hears,
    }
    near = {**fields, "backchannel_logout_uri": "https://127.0.0.1/hears"}
    wrong = await root.post("/console/clients/new", data=near)
    made = await root.post("/console/clients/new", data=fields)
    here = f"/console/clients/{await world.db.fetchval('SELECT id FROM clients')}"
    lost = await root.post(f"{here}/sign-outs", data={"backchannel_logout_uri": "ftp://x/"})
    moved = await root.post(f"{here}/sign-outs", data={"post_logout_redirect_uris": after})

    assert (wrong.status_code, made.status_code) == (422, 200)
    assert "KEYFOB_OUTBOUND_ALLOW" in wrong.text
    assert "https://127.0.0.1/hears" in wrong.text
    assert hears in made.text
    assert (lost.status_code, moved.status_code) == (422, 303)
    assert "ftp://x/" in lost.text
    kept = await world.db.fetchrow(
        "SELECT post_logout_redirect_uris, backchannel_logout_uri FROM clients"
    )
    assert kept is not None
    assert tuple(kept) == ([after], None)


async def test_an_app_without_a_server_gets_no_secret(
    world: World, root: httpx.AsyncClient
) -> None:
    fields = {"kind": "native", "name": "Phone", "redirect_uris": "com.example.app:/back"}

    made = await root.post("/console/clients/new", data=fields)

    assert made.status_code == 200
    assert not re.search(r"kfs_\w+", made.text)
    assert await world.db.fetchval("SELECT auth_method FROM clients") == "none"


async def test_a_form_that_was_opened_before_gives_nothing_back(
    root: httpx.AsyncClient, world: World
) -> None:
    """A colleague takes something away, and adds something, while the form is open."""
    both = {"name": "support", "permission": ["users:read", "logins:read"]}
    await root.post("/console/new-role", data=both)
    old = seen_in(await root.get("/console/roles/support"), "permission")
    await root.post(
        "/console/roles/support", data={**old, "permission": ["users:read", "audit:read"]}
    )

    boxes = ["users:read", "logins:read", "sessions:end"]
    await root.post("/console/roles/support", data={**old, "permission": boxes})

    found = await world.db.fetchval("SELECT permissions FROM roles WHERE name = 'support'")
    assert set(found) == {"users:read", "audit:read", "sessions:end"}


@pytest.mark.parametrize(
    ("name", "path"),
    [("redirect_uris", "places"), ("post_logout_redirect_uris", "sign-outs")],
)
async def test_an_older_form_gives_no_place_back_to_an_app(
    root: httpx.AsyncClient, world: World, name: str, path: str
) -> None:
    app = await make_app(world, **{name: ("https://a.example/", "https://lost.example/")})
    place = f"/console/clients/{app.id}"
    old = seen_in(await root.get(place), name)
    typed = "https://a.example/\nhttps://lost.example/\nhttps://b.example/"
    await root.post(f"{place}/{path}", data={**old, name: "https://a.example/"})

    await root.post(f"{place}/{path}", data={**old, name: typed})

    found = await world.db.fetchval(f"SELECT {name} FROM clients WHERE id = $1", app.id)
    assert found == ["https://a.example/", "https://b.example/"]


def seen_in(page: httpx.Response, name: str) -> dict[str, str]:
    seen = f"seen_{name}"
    return {seen: dict(hidden_fields(page)).get(seen, "")}


async def test_an_app_may_be_registered_for_devices_without_a_browser(
    world: World, root: httpx.AsyncClient
) -> None:
    alone = {"kind": "native", "name": "Television", "on_devices": "yes"}
    both = {**alone, "name": "Phone", "redirect_uris": "com.example.app:/back"}

    made = [
        await root.post("/console/clients/new", data=one)
        for one in (alone, both, {**both, "name": "Page", "kind": "browser"})
    ]

    assert [one.status_code for one in made] == [200, 200, 422]
    assert "people may sign in by a code" in made[0].text
    device = "urn:ietf:params:oauth:grant-type:device_code"
    rows = await world.db.fetch("SELECT grants FROM clients ORDER BY name DESC")
    assert [row[0] for row in rows] == [
        ["refresh_token", device],
        ["authorization_code", "refresh_token", device],
    ]
