"""API keys: made by a person who has just signed in, shown once, valid until they end."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.hostile import claims_of
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.programs import give_role
from tests.fixtures.world import PASSWORD, SignedIn, World, eventually

from keyfob.api_keys.service import ApiKeys
from keyfob.authority.models import Role
from keyfob.sessions.revocations import Revocations
from keyfob.settings import Settings

RECOVERED = "another horse battery"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def make_key(world: World, caller: SignedIn, **given: Any) -> httpx.Response:
    body = {"name": "Backup", "scope": ["account:read"], **given}
    return await world.api.post("/me/api-keys", json=body, headers=caller.headers)


async def key_of(world: World, caller: SignedIn, **given: Any) -> tuple[str, str]:
    """Return the id and the text of a new key."""
    made = await make_key(world, caller, **given)
    assert made.status_code == 201, made.text
    return made.json()["id"], made.json()["api_key"]


async def is_valid(world: World, key: str) -> bool:
    answer = await world.api.get("/me", headers=bearer(key))
    assert answer.status_code in {200, 401}
    return answer.status_code == 200


async def test_a_key_reads_the_account_of_its_user(world: World) -> None:
    await world.make_user(name="Ada")
    ada = await world.log_in()

    key_id, key = await key_of(world, ada)
    answer = await world.api.get("/me", headers=bearer(key))
    listed = await world.api.get("/me/api-keys", headers=ada.headers)

    assert (answer.status_code, answer.json()["name"]) == (200, "Ada")
    assert [one["id"] for one in listed.json()] == [key_id]
    assert key not in listed.text
    assert await world.db.fetchval("SELECT key_hash FROM api_keys") != key.encode()


async def test_a_key_opens_nothing_else_of_its_user_s(world: World) -> None:
    """Credentials, sessions, the export and keys themselves are for the person alone."""
    await world.make_user()
    _, key = await key_of(world, await world.log_in())

    for method, path, body in (
        ("GET", "/me/sessions", None),
        ("GET", "/me/export", None),
        ("GET", "/me/api-keys", None),
        ("GET", "/me/factors", None),
        ("PATCH", "/me", {"name": "Eve"}),
        ("DELETE", "/me", None),
        ("POST", "/me/api-keys", {"name": "More", "scope": ["account:read"]}),
        ("POST", "/me/password", {"current_password": PASSWORD, "password": RECOVERED}),
        ("POST", "/me/email", {"email": "eve@example.com"}),
        ("POST", "/me/reauthenticate", {"password": PASSWORD}),
        ("DELETE", "/logout-all", None),
        ("GET", "/admin/users", None),
    ):
        answer = await world.api.request(method, path, json=body, headers=bearer(key))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path


async def test_a_key_administers_within_its_scope_and_its_user_s_rights(world: World) -> None:
    root = await world.make_admin()
    _, reads = await key_of(world, root, scope=["users:read"])
    _, writes = await key_of(world, root, scope=["users:write"])
    ada_id = await world.make_user()
    mod_id = await world.make_user("mod@example.com", role=Role.MODERATOR)

    listed = await world.api.get("/admin/users", headers=bearer(reads))
    me = await world.api.get("/me", headers=bearer(reads))
    path = f"/admin/users/{ada_id}"
    refused = await world.api.patch(path, json={"name": "x"}, headers=bearer(reads))
    changed = await world.api.patch(path, json={"name": "x"}, headers=bearer(writes))
    above = [
        await world.api.patch(
            f"/admin/users/{mod_id}", json={"status": "blocked"}, headers=bearer(writes)
        ),
        await world.api.patch(path, json={"role": "moderator"}, headers=bearer(writes)),
        await world.api.post(
            "/admin/users", json={"email": "n@x.org", "role": "admin"}, headers=bearer(writes)
        ),
        await world.api.post(f"{path}/factors/reset", headers=bearer(writes)),
    ]

    assert listed.status_code == 200
    assert [me.status_code, refused.status_code] == [403, 403]
    assert changed.status_code == 200
    assert {answer.status_code for answer in above} == {403}


async def test_what_an_administrator_s_key_does_ends_with_the_role(world: World) -> None:
    root, other = await world.make_admin(), await world.make_admin("other@example.com")
    _, key = await key_of(world, other, scope=["users:read"])
    assert (await world.api.get("/admin/users", headers=bearer(key))).status_code == 200
    other_id = claims_of(other.access)["sub"]

    await world.api.patch(f"/admin/users/{other_id}", json={"role": "user"}, headers=root.headers)

    assert (await world.api.get("/admin/users", headers=bearer(key))).status_code == 403


async def test_a_key_is_renamed_and_revoked_everywhere_at_once(
    world: World, settings: Settings, clock: MovableClock
) -> None:
    await world.make_user()
    ada = await world.log_in()
    key_id, key = await key_of(world, ada)
    path = f"/me/api-keys/{key_id}"
    async with World(settings, clock) as other:
        assert await is_valid(other, key)

        renamed = await world.api.patch(path, json={"name": "Night"}, headers=ada.headers)
        revoked = await world.api.delete(path, headers=ada.headers)

        assert renamed.json()["name"] == "Night"
        assert revoked.status_code == 204
        assert not await is_valid(world, key)
        await eventually(lambda: other.service(Revocations).kills(UUID(key_id), 0))
        assert not await is_valid(other, key)
    again = await world.api.delete(path, headers=ada.headers)
    assert again.json()["code"] == "api_key_not_found"
    assert (await world.api.get("/me/api-keys", headers=ada.headers)).json() == []


async def test_a_key_of_another_is_not_there(world: World) -> None:
    await world.make_user()
    await world.make_user("eve@example.com")
    key_id, key = await key_of(world, await world.log_in())
    eve, path = await world.log_in("eve@example.com"), f"/me/api-keys/{key_id}"

    renamed = await world.api.patch(path, json={"name": "x"}, headers=eve.headers)
    revoked = await world.api.delete(path, headers=eve.headers)

    assert [renamed.status_code, revoked.status_code] == [404, 404]
    assert await is_valid(world, key)


async def test_a_key_ends_when_it_says_so(world: World, clock: MovableClock) -> None:
    await world.make_user()
    ends = clock.now() + timedelta(seconds=60)
    _, key = await key_of(world, await world.log_in(), expires_at=ends.isoformat())
    assert await is_valid(world, key)

    clock.advance(seconds=60)

    assert not await is_valid(world, key)


async def test_a_key_lasts_a_year_at_most(world: World, clock: MovableClock) -> None:
    await world.make_user()
    ada = await world.log_in()
    for off in (timedelta(days=365, seconds=1), timedelta(0), timedelta(days=-1)):
        refused = await make_key(world, ada, expires_at=(clock.now() + off).isoformat())
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["pointer"] == "/expires_at"

    made = await make_key(world, ada)

    ends = clock.now() + timedelta(days=365)
    assert made.json()["expires_at"] == ends.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        (["users:read"], 403),
        (["account:read", "clients:write"], 403),
        (["invoices:read"], 409),
        ([], 422),
        (["account:read", "account:read"], 422),
        (["Account Read"], 422),
        (["orders:read", "account:read"], 403),
        (["bills:read", "account:read"], 201),
    ],
    ids=str,
)
async def test_a_key_has_what_its_user_may_and_what_resources_offer(
    world: World, scope: list[str], status: int
) -> None:
    root = await world.make_admin()
    await world.api.post(
        "/admin/resources",
        json={
            "identifier": "https://o.example",
            "name": "O",
            "scopes": {"orders:read": {}, "bills:read": {}},
        },
        headers=root.headers,
    )
    await world.make_user()
    ada = await world.log_in()
    await give_role(world, ada, "bills:read")

    answer = await make_key(world, ada, scope=scope)

    assert answer.status_code == status, answer.text


async def test_making_a_key_needs_a_recent_sign_in_with_the_factor(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    ada = await world.log_in()
    clock.advance(seconds=301)
    old = SignedIn.of(await world.refresh(ada.refresh))
    late = await make_key(world, old)
    fresh = await world.log_in()
    await add_totp(world, await world.log_in(), clock)
    without = await make_key(world, fresh)

    assert late.json()["code"] == without.json()["code"] == "insufficient_user_authentication"


async def test_a_user_has_fifty_keys_at_most(world: World) -> None:
    user_id = await world.make_user()
    ada = await world.log_in()
    await world.db.execute(
        """
        INSERT INTO api_keys (id, user_id, name, scope, key_hash, created_at, expires_at)
        SELECT gen_random_uuid(), $1, 'x', '{}', n::text::bytea, now(), now() + interval '1 year'
          FROM generate_series(1, 49) AS n
        """,
        user_id,
    )

    assert (await make_key(world, ada)).status_code == 201
    assert (await make_key(world, ada)).json()["code"] == "too_many_api_keys"


async def test_the_last_use_is_shown_some_seconds_late(world: World, clock: MovableClock) -> None:
    await world.make_user()
    ada = await world.log_in()
    _, key = await key_of(world, ada)
    assert await is_valid(world, key)

    await world.service(ApiKeys).write_uses()

    [listed] = (await world.api.get("/me/api-keys", headers=ada.headers)).json()
    assert listed["last_used_at"] == clock.now().isoformat().replace("+00:00", "Z")


async def test_a_block_ends_every_key(world: World) -> None:
    root = await world.make_admin()
    user_id = await world.make_user()
    _, key = await key_of(world, await world.log_in())
    assert await is_valid(world, key)

    for status in ("blocked", "active"):
        await world.api.patch(
            f"/admin/users/{user_id}", json={"status": status}, headers=root.headers
        )
        assert not await is_valid(world, key)
    assert await world.db.fetchval("SELECT revoked_at IS NOT NULL FROM api_keys")


async def test_a_deletion_ends_every_key(world: World) -> None:
    root = await world.make_admin()
    user_id = await world.make_user()
    _, key = await key_of(world, await world.log_in())
    assert await is_valid(world, key)

    await world.api.delete(f"/admin/users/{user_id}", headers=root.headers)

    assert not await is_valid(world, key)
    assert await world.db.fetchval("SELECT count(*) FROM api_keys") == 0


@pytest.mark.parametrize("call", ["DELETE /logout-all", "POST /factors/reset"])
async def test_what_an_administrator_does_against_a_thief_ends_every_key(
    world: World, call: str
) -> None:
    root = await world.make_admin()
    user_id = await world.make_user()
    _, key = await key_of(world, await world.log_in())
    assert await is_valid(world, key)

    method, below = call.split(" ")
    done = await world.api.request(method, f"/admin/users/{user_id}{below}", headers=root.headers)

    assert done.status_code == 204
    assert not await is_valid(world, key)


async def test_no_name_of_a_key_stands_in_a_mail_to_an_address_that_is_not_proven(
    world: World, mailbox: Mailbox
) -> None:
    answer = await world.api.post(
        "/register", json={"email": "victim@example.com", "password": PASSWORD}
    )
    await key_of(world, SignedIn.of(answer), name="Call us now or lose everything")

    told = await mailbox.next("victim@example.com", subject="API key was made")

    assert "Call us" not in told.text


async def test_signing_out_everywhere_leaves_keys(world: World) -> None:
    await world.make_user()
    ada = await world.log_in()
    _, key = await key_of(world, ada)
    assert await is_valid(world, key)

    await world.api.delete("/logout-all", headers=ada.headers)

    assert await is_valid(world, key)


async def test_a_key_survives_a_rotation_of_the_secret_key_once_it_was_used(
    world: World, settings: Settings, clock: MovableClock
) -> None:
    await world.make_user()
    _, key = await key_of(world, await world.log_in())
    keys = ",".join(["n" * 40, *settings.secret_keys])
    both = settings.model_copy(update={"secret_key": SecretStr(keys)})
    async with World(both, clock) as other:
        assert dict(await other.service(ApiKeys).count_by_place()) == {1: 1}
        assert await is_valid(other, key)
        await other.service(ApiKeys).write_uses()
        assert dict(await other.service(ApiKeys).count_by_place()) == {0: 1}


@pytest.mark.parametrize(
    "text", ["kfk_", "kfk_" + "0" * 49, "kfk_" + "ä" * 49, "kfk_" + "a" * 5000, "kfs_" + "0" * 49]
)
async def test_what_is_no_key_is_refused(world: World, text: str) -> None:
    header = f"Bearer {text}".encode()
    answer = await world.api.get("/me", headers={b"authorization": header})

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


async def test_what_is_done_to_keys_is_on_record_and_told(world: World, mailbox: Mailbox) -> None:
    user_id = await world.make_user()
    ada = await world.log_in()
    key_id, _ = await key_of(world, ada)
    await world.api.patch(f"/me/api-keys/{key_id}", json={"name": "x"}, headers=ada.headers)
    await world.api.delete(f"/me/api-keys/{key_id}", headers=ada.headers)

    rows = await world.db.fetch(
        "SELECT action, actor_id FROM audit_events WHERE action LIKE 'api_key%' ORDER BY position"
    )
    assert [tuple(row) for row in rows] == [
        ("api_key.created", user_id),
        ("api_key.renamed", user_id),
        ("api_key.revoked", user_id),
    ]
    told = await mailbox.next("ada@example.com", subject="API key was made")
    assert "Backup" in told.text


async def test_keys_are_asked_for_again_under_the_lock(world: World) -> None:
    """A key that is revoked while its request is under way changes nothing."""
    root = await world.make_admin()
    key_id, key = await key_of(world, root, scope=["users:write"])
    ada_id = await world.make_user()
    assert (await world.api.get("/me", headers=bearer(key))).status_code == 403  # remembered now
    await world.db.execute("UPDATE api_keys SET revoked_at = now() WHERE id = $1", UUID(key_id))

    answer = await world.api.patch(
        f"/admin/users/{ada_id}", json={"name": "x"}, headers=bearer(key)
    )

    assert answer.status_code == 401


async def test_a_key_uses_up_nothing_of_its_user_s(settings: Settings, clock: MovableClock) -> None:
    """Threat: whoever found a key keeps its owner from revoking it."""
    limits = {"limits": "on", "limit_me": "3/minute"}
    async with World(settings.model_copy(update=limits), clock) as world:
        await world.make_user()
        ada = await world.log_in()
        _, key = await key_of(world, ada)

        answers = [await world.api.get("/me/sessions", headers=bearer(key)) for _ in range(5)]

        assert [answer.status_code for answer in answers] == [403, 403, 403, 429, 429]
        assert (await world.api.get("/me/sessions", headers=ada.headers)).status_code == 200
