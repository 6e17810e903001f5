"""The pages of data, API keys and apps."""

import json
import re
from datetime import timedelta

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import HOSTILE, OURS, signed_in, text_of, went_to

from keyfob.authority.models import Role

KEYS = "/ui/account/keys"
NOBODYS = "01a20320-a200-702c-a97d-68f8624a8ef0"


async def make_key(page: httpx.AsyncClient, name: str = "Backup") -> httpx.Response:
    form = {"name": name, "scope": "account:read", "days": "30"}
    return await page.post(KEYS, data=form)


async def test_the_export_is_a_file(world: World) -> None:
    user_id = await world.make_user()
    async with signed_in(world) as page:
        shown = await page.get("/ui/account/data")
        answer = await page.post("/ui/account/export")

    assert 'action="/auth/ui/account/export"' in shown.text
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="keyfob-{user_id}.json"'
    )
    assert answer.headers["cache-control"] == "no-store"
    assert json.loads(answer.content)["account"]["email"] == "ada@example.com"


async def test_an_export_with_a_factor_asks_for_it_first(world: World, clock: MovableClock) -> None:
    await world.make_user()
    own = await world.log_in()
    async with signed_in(world) as page:
        app = await add_totp(world, own, clock)
        clock.advance(60)
        answer = await page.post("/ui/account/export")
        asked = await page.get(went_to(answer))
        form = {"step-up-code": app.code(), "return_to": "/auth/ui/account/export"}
        proven = await page.post("/ui/step-up", data=form)
        back = await page.get(went_to(proven))
        exported = await page.post("/ui/account/export")

    assert went_to(answer) == "/ui/account/export"
    assert asked.status_code == 401
    assert went_to(back) == "/ui/account/data?done=proven"
    assert exported.status_code == 200


async def test_an_erasure_is_planned_and_taken_back(world: World, clock: MovableClock) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        before = await page.get("/ui/account/data")
        planned = await page.get(went_to(await page.post("/ui/account/erase")))
        erase_at = await world.db.fetchval("SELECT erase_at FROM users")
        profile = await page.get("/ui/account")
        kept = await page.get(went_to(await page.post("/ui/account/keep")))

    assert "Until then you can sign in and take it back." in text_of(before)
    assert erase_at > clock.now()
    for shown in (planned, profile):
        assert "Your account is going to be erased" in text_of(shown)
        assert erase_at.strftime("%Y-%m-%dT%H:%M:%SZ") in shown.text
    assert "Erase your account" in text_of(kept)
    assert await world.db.fetchval("SELECT erase_at FROM users") is None


async def test_an_erasure_needs_a_recent_sign_in_and_goes_on_after_it(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        clock.advance(3600)
        asked = await page.post("/ui/account/erase")
        wrong = await page.post("/ui/account/erase", data={"step-up-password": "wrong password"})
        kept = await world.db.fetchval("SELECT erase_at FROM users")
        proven = await page.post("/ui/account/erase", data={"step-up-password": PASSWORD})

    assert (asked.status_code, wrong.status_code, kept) == (401, 401, None)
    assert went_to(proven) == "/ui/account/data?done=planned"


async def test_the_last_administrator_stays(world: World) -> None:
    await world.make_user("root@example.com", role=Role.ADMIN)
    async with signed_in(world, "root@example.com") as page:
        answer = await page.post("/ui/account/erase")

    assert answer.status_code == 409
    assert "Nobody would be left to administer the service." in text_of(answer)


async def test_a_key_is_made_shown_once_and_works(world: World) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        form = await page.get(f"{KEYS}/new")
        made = await make_key(page)
        listed = await page.get(KEYS)

    key = re.search(r"kfk_[\w-]+", made.text)
    assert key is not None
    assert 'value="account:read"' in form.text
    assert 'value="users:read"' not in form.text
    assert "Backup" in text_of(listed)
    assert key[0] not in listed.text
    told = {"Authorization": f"Bearer {key[0]}"}
    assert (await world.api.get("/me", headers=told)).status_code == 200


async def test_a_key_ends_when_it_was_asked_to(world: World, clock: MovableClock) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        await make_key(page)

    (row,) = await world.db.fetch("SELECT created_at, expires_at FROM api_keys")
    assert row["expires_at"] - row["created_at"] == timedelta(days=30)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "Type a name"),
        ({"name": "x" * 201}, "Type a name"),
        ({"scope": []}, "Choose at least one thing"),
        ({"scope": ["users:read"]}, "Choose from what is listed"),
        ({"scope": ["nobody:knows"]}, "Choose from what is listed"),
        ({"scope": [HOSTILE]}, "Choose at least one thing"),
        ({"days": "0"}, "Choose one of the times."),
        ({"days": "99999"}, "Choose one of the times."),
        ({"days": "-1"}, "Choose one of the times."),
        ({"days": "²"}, "Choose one of the times."),
    ],
)
async def test_a_refused_key_keeps_what_was_typed(
    world: World, fields: dict[str, str | list[str]], words: str
) -> None:
    await world.make_user()
    form = {"name": "Backup", "scope": ["account:read"], "days": "30", **fields}
    async with signed_in(world) as page:
        answer = await page.post(KEYS, data=form)

    assert answer.status_code == 422
    assert words in text_of(answer)
    assert f'value="{form["name"]}"' in answer.text
    assert "<img src=x" not in answer.text
    assert await world.db.fetchval("SELECT count(*) FROM api_keys") == 0


async def test_a_key_needs_a_recent_sign_in_and_goes_on_after_it(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        clock.advance(3600)
        asked = await make_key(page)
        form = {"name": "Backup", "scope": "account:read", "days": "30"}
        made = await page.post(KEYS, data={**form, "step-up-password": PASSWORD})

    assert asked.status_code == 401
    assert '<input type="hidden" name="scope" value="account:read">' in asked.text
    assert "kfk_" in made.text


async def test_a_key_is_renamed_and_revoked(world: World) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        await make_key(page)
        key_id = await world.db.fetchval("SELECT id FROM api_keys")
        answer = await page.post(f"{KEYS}/{key_id}/rename", data={"name": HOSTILE})
        renamed = await page.get(went_to(answer))
        refused = await page.post(f"{KEYS}/{key_id}/rename", data={"name": ""})
        revoked = await page.get(went_to(await page.post(f"{KEYS}/{key_id}/revoke")))
        again = await page.post(f"{KEYS}/{key_id}/revoke")

    assert HOSTILE in text_of(renamed)
    assert "<img src=x" not in renamed.text
    assert (refused.status_code, again.status_code) == (422, 404)
    assert "No API keys" in text_of(revoked)


async def test_nobody_changes_a_key_of_another_user(world: World) -> None:
    await world.make_user()
    await world.make_user("bob@example.com")
    async with signed_in(world, "bob@example.com") as page:
        await make_key(page)
    key_id = await world.db.fetchval("SELECT id FROM api_keys")
    async with signed_in(world) as page:
        for one in (key_id, NOBODYS):
            renamed = await page.post(f"{KEYS}/{one}/rename", data={"name": "Mine"})
            revoked = await page.post(f"{KEYS}/{one}/revoke")
            assert (renamed.status_code, revoked.status_code) == (404, 404)
        shown = text_of(await page.get(KEYS))

    assert "Backup" not in shown
    (row,) = await world.db.fetch("SELECT name, revoked_at FROM api_keys")
    assert tuple(row) == ("Backup", None)


async def test_an_administrator_is_offered_everything(world: World) -> None:
    await world.make_user("root@example.com", role=Role.ADMIN)
    async with signed_in(world, "root@example.com") as page:
        form = await page.get(f"{KEYS}/new")

    assert 'value="users:write"' in form.text


async def test_no_app_has_access(world: World) -> None:
    await world.make_user()
    async with signed_in(world) as page:
        assert "No app has access" in text_of(await page.get("/ui/account/apps"))


async def test_strangers_sign_in_first(world: World) -> None:
    async with world.client(**OURS) as page:
        for path in ("data", "export", "keys", "keys/new", "apps"):
            assert went_to(await page.get(f"/ui/account/{path}")).startswith("/ui/sign-in")
        for path in ("export", "erase", "keep", "keys", f"keys/{NOBODYS}/revoke"):
            assert (await page.post(f"/ui/account/{path}")).status_code == 401
