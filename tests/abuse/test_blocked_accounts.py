"""Line 14 of the abuse list: a blocked account cannot sign in, and only its owner learns of it."""

from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, ask_for_factor, show_factor
from tests.fixtures.passkeys import own_passkey, sign_in
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.accounts.models import Status

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"
WRONG = "a wrong horse, and no battery"


async def test_14_a_blocked_account_is_refused_on_every_path_that_gives_tokens(
    world: World, clock: MovableClock
) -> None:
    admin = await world.make_admin()
    signed_in, replaced = await signed_up(world, ADA), await world.log_in(ADA)
    successor = (await world.refresh(replaced.refresh)).json()["refresh_token"]
    app = await add_totp(world, await signed_up(world, BOB), clock)
    passkey = await own_passkey(world, await signed_up(world, EVE))
    clock.advance(30)
    waiting = await ask_for_factor(world, BOB)
    for row in await world.db.fetch("SELECT id FROM users WHERE role <> 'admin'"):
        await world.api.patch(
            f"/admin/users/{row['id']}", json={"status": "blocked"}, headers=admin.headers
        )

    refusals = {
        "POST /login/mfa, begun before": await show_factor(world, waiting, code=app.code()),
        "POST /login/mfa": await show_factor(
            world, await ask_for_factor(world, BOB), code=app.code()
        ),
        "POST /login/passkey/verify": await sign_in(world, passkey),
        "POST /me/reauthenticate": await world.api.post(
            "/me/reauthenticate", json={"password": PASSWORD}, headers=signed_in.headers
        ),
        "POST /me/password": await world.api.post(
            "/me/password",
            json={"current_password": PASSWORD, "password": "quite another horse"},
            headers=signed_in.headers,
        ),
        "POST /login": await world.attempt_login(ADA),
        "POST /register": await world.api.post(
            "/register", json={"email": ADA, "password": PASSWORD}
        ),
        "POST /refresh": await world.refresh(signed_in.refresh),
        "POST /refresh, of a successor": await world.refresh(successor),
        "POST /refresh, within the grace time": await world.refresh(replaced.refresh),
    }

    assert {name: (a.status_code, a.json()["code"]) for name, a in refusals.items()} == {
        "POST /login/mfa, begun before": (401, "invalid_factor"),
        "POST /login/mfa": (403, "account_blocked"),
        "POST /login/passkey/verify": (403, "account_blocked"),
        "POST /me/reauthenticate": (401, "invalid_token"),
        "POST /me/password": (401, "invalid_token"),
        "POST /login": (403, "account_blocked"),
        "POST /register": (409, "email_taken"),
        "POST /refresh": (401, "invalid_refresh_token"),
        "POST /refresh, of a successor": (401, "invalid_refresh_token"),
        "POST /refresh, within the grace time": (401, "invalid_refresh_token"),
    }
    assert {name.partition(",")[0] for name in refusals} == set(paths_that_give_tokens(world))


async def signed_up(world: World, email: str) -> SignedIn:
    await world.make_user(email)
    return await world.log_in(email)


def paths_that_give_tokens(world: World) -> list[str]:
    """Read in the schema which operations answer with tokens: a new one must be tried above."""
    return [
        f"{method.upper()} {path}"
        for path, operations in world.app.openapi()["paths"].items()
        for method, operation in operations.items()
        for answer in operation["responses"].values()
        for content in answer.get("content", {}).values()
        if content.get("schema", {}).get("$ref", "").endswith("/TokensOut")
    ]


async def test_14_that_an_account_is_blocked_is_told_after_the_right_password_only(
    world: World, clock: MovableClock
) -> None:
    await world.make_user(ADA, status=Status.BLOCKED)

    wrong = await world.attempt_login(ADA, WRONG)
    clock.advance(1)
    right = await world.attempt_login(ADA)

    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    assert (right.status_code, right.json()["code"]) == (403, "account_blocked")
    assert [row["reason"] for row in await world.login_log()] == [
        "wrong_password",
        "account_blocked",
    ]
    assert await world.db.fetchval("SELECT count(*) FROM sessions") == 0
