"""An app acts for its user at our own API, within what it is registered for and was allowed."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx
import jwt
import pytest
from tests.abuse.test_authority_of_routes import ENDLESS, PAGES, PUBLIC, operations_of, url_of
from tests.fixtures.apps import App, answer_of, make_app, onward
from tests.fixtures.clock import MovableClock
from tests.fixtures.device_apps import decide, make_device_app, typed
from tests.fixtures.factors import add_totp
from tests.fixtures.holder import Holder, exchange_code
from tests.fixtures.programs import ORDERS, give_role, make_program, make_resource, own_api
from tests.fixtures.world import SignedIn, World, eventually
from tests.web.account_pages import signed_in, text_of, went_to

from keyfob.authority.models import Permission, Role
from keyfob.authority.requiring import Requirement
from keyfob.authority.roles import Roles
from keyfob.clients.models import Grant
from keyfob.core.clock import Clock
from keyfob.sessions.revocations import Revocations

CLERK = "clerk@example.com"
RIGHTS = ("account:read", "users:read", "users:write")


@pytest.fixture
async def chief_id(world: World) -> UUID:
    """An administrator."""
    return await world.make_user(role=Role.ADMIN)


@pytest.fixture
async def app(world: World) -> App:
    return await make_own_app(world)


@pytest.fixture
async def browser(world: World, chief_id: UUID) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(world) as browser:
        yield browser


async def make_own_app(world: World, *rights: str, **fields: object) -> App:
    """Register an app that asks for some rights at our own API."""
    rights, own = rights or RIGHTS, own_api(world)
    app = await make_app(world, scope=rights, resources=(own,), **fields)
    app.asks = {"scope": " ".join(("openid", *rights)), "resource": own}
    return app


def bearer(tokens: dict[str, object]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def clerk_in(world: World, *permissions: str) -> SignedIn:
    """Add a user with a further role, and sign in."""
    await world.make_user(CLERK)
    clerk = await world.log_in(CLERK)
    if permissions:
        await give_role(world, clerk, *permissions)
    return clerk


async def test_it_reads_and_changes_what_its_user_has_allowed(
    world: World, app: App, browser: httpx.AsyncClient, chief_id: UUID
) -> None:
    ada_id = await world.make_user("eve@example.com")
    tokens = await app.tokens(browser)

    own = await world.api.get("/me", headers=bearer(tokens))
    users = await world.api.get("/admin/users", headers=bearer(tokens))
    change = await world.api.patch(
        f"/admin/users/{ada_id}", json={"name": "Eve"}, headers=bearer(tokens)
    )
    log = await world.api.get("/admin/audit", headers=bearer(tokens))
    userinfo = await world.api.get("/oauth2/userinfo", headers=bearer(tokens))

    assert tokens["scope"] == " ".join(("openid", *RIGHTS)).removeprefix("openid ")
    assert own.json()["id"] == str(chief_id)
    assert (users.status_code, change.status_code) == (200, 200)
    assert (log.status_code, userinfo.status_code) == (403, 401)
    done = (await world.audit_log())[-1]
    assert (done["actor_id"], done["new_values"]["by_app"]) == (chief_id, str(app.id))


async def test_nothing_else_opens_to_it_whatever_its_rights(
    world: World, browser: httpx.AsyncClient
) -> None:
    """Threat: an app changes the password, adds a factor, makes a key, or erases its user."""
    app = await make_own_app(world, *Permission)
    tokens = await app.tokens(browser)
    named = {
        (method, route.path): requirement.admits
        for route in world.app.routes
        for method in getattr(route, "methods", None) or ()
        for dependant in getattr(getattr(route, "dependant", None), "dependencies", ())
        if isinstance(requirement := dependant.call, Requirement)
    }

    admitted = set()
    for method, path in sorted(operations_of(world.app) - PUBLIC - PAGES):
        if not path.startswith("/oauth2/"):
            asked = "HEAD" if (method, path) in ENDLESS else method
            answer = await world.api.request(asked, url_of(path), headers=bearer(tokens))
            if answer.status_code not in {401, 403}:
                admitted.add((method, path))

    programs = {name for name, admits in named.items() if len(admits) > 1}
    assert ("GET", "/me") in admitted
    assert {name for name in admitted if name[1].startswith("/me")} == {("GET", "/me")}
    assert ("POST", "/me/password") not in admitted
    assert admitted <= programs | ENDLESS
    assert (await world.api.get("/me", headers=bearer(tokens))).status_code == 200
    page = await world.api.get("/ui/account", headers=bearer(tokens))
    assert went_to(page).startswith("/ui/sign-in")


async def test_what_its_user_does_not_hold_is_neither_asked_for_nor_given(
    world: World, app: App
) -> None:
    """Threat: an app asks everybody for all rights, and has them of whoever gets a role later."""
    clerk = await clerk_in(world, "users:read")
    async with signed_in(world, CLERK) as browser:
        page = await onward(browser, await app.send(browser))
        tokens = await app.tokens(browser)
        again = await app.send(browser)

    assert "List and read accounts" in text_of(page)
    assert "Make, change" not in text_of(page)
    assert tokens["scope"] == "account:read users:read"
    assert "code" in answer_of(again)  # remembered, though it asks for more
    await give_role(world, clerk, "users:write", name="writer")
    later = (await app.refresh(str(tokens["refresh_token"]))).json()
    assert later["scope"] == "account:read users:read"


async def test_its_rights_end_with_those_of_its_user(world: World, app: App, other: World) -> None:
    clerk = await clerk_in(world, "users:read", "users:write")
    async with signed_in(world, CLERK) as browser:
        tokens = await app.tokens(browser)
    assert (await other.api.get("/admin/users", headers=bearer(tokens))).status_code == 200

    roles = world.service(Roles)
    async with world.db.begin() as tx:
        await roles.change(tx, "clerk", ["users:write"])
    await other.reload_roles()

    for one in (world, other):
        assert (await one.api.get("/admin/users", headers=bearer(tokens))).status_code == 403
    assert (await world.me(clerk)).status_code == 200


@pytest.mark.parametrize("end", ["taken back", "disabled", "right removed", "blocked"])
async def test_what_ends_it_is_refused_everywhere_at_once(
    world: World,
    app: App,
    other: World,
    browser: httpx.AsyncClient,
    chief_id: UUID,
    end: str,
) -> None:
    root = await world.make_admin()
    tokens = await app.tokens(browser)
    for one in (world, other):
        assert (await one.api.get("/me", headers=bearer(tokens))).status_code == 200
    calls = {
        "taken back": ("DELETE", f"/admin/users/{chief_id}/grants/{app.id}", None),
        "disabled": ("PATCH", f"/admin/clients/{app.id}", {"disabled": True}),
        "right removed": ("PATCH", f"/admin/clients/{app.id}", {"scope": ["users:read"]}),
        "blocked": ("PATCH", f"/admin/users/{chief_id}", {"status": "blocked"}),
    }
    method, path, body = calls[end]

    done = await world.api.request(method, path, json=body, headers=root.headers)

    assert done.is_success, done.text
    claims = jwt.decode(str(tokens["access_token"]), options={"verify_signature": False})
    named = [(UUID(claims["sid"]), 0), (chief_id, 0), (app.id, 0)]
    await eventually(lambda: other.service(Revocations).kill_any(named))
    for one in (world, other):
        for asked in ("/me", "/admin/users"):
            answer = await one.api.get(asked, headers=bearer(tokens))
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


async def test_it_makes_nothing_that_outlives_it(world: World, browser: httpx.AsyncClient) -> None:
    """Threat: it makes a client with the rights of its user, and keeps them."""
    app = await make_own_app(world, *Permission)
    tokens = await app.tokens(browser)
    client = {"name": "Mine", "scope": ["users:read"], "resources": [own_api(world)]}

    made = await world.api.post("/admin/clients", json=client, headers=bearer(tokens))
    eve_id = await world.make_user("eve@example.com")
    async with world.db.begin() as tx:
        await world.service(Roles).add(tx, "reader", ["users:read"])
    given = await world.api.post(
        f"/admin/users/{eve_id}/roles", json={"role": "reader"}, headers=bearer(tokens)
    )
    tomorrow = (world.service(Clock).now() + timedelta(days=1)).isoformat()
    soon = {"role": "reader", "expires_at": tomorrow}
    for_a_day = await world.api.post(
        f"/admin/users/{eve_id}/roles", json=soon, headers=bearer(tokens)
    )
    program = await make_program(world)
    secret = await world.api.post(
        f"/admin/clients/{program.id}/secrets",
        json={"expires_at": tomorrow},
        headers=bearer(tokens),
    )
    root = await world.api.post(
        "/admin/users",
        json={"email": "new@example.com", "role": "admin"},
        headers=bearer(tokens),
    )

    answers = (made, given, for_a_day, secret, root)
    assert [one.status_code for one in answers] == [403] * 5


async def test_a_first_party_app_asks_for_rights_at_our_own_api_all_the_same(
    world: World, browser: httpx.AsyncClient
) -> None:
    app = await make_own_app(world, first_party=True)

    page = await onward(browser, await app.send(browser))
    about = await app.send(browser, scope="openid", resource=None)

    assert 'name="decision"' in page.text
    assert "code" in answer_of(about)


async def test_rights_over_others_need_a_recent_sign_in(
    world: World, app: App, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    """Threat: the thief of an old session has an app administer, which needs none afterwards."""
    await app.tokens(browser)
    clock.advance(301)

    unasked = answer_of(await app.send(browser, prompt="none"))
    page = await onward(browser, await app.send(browser))
    own = await app.send(browser, scope="account:read")

    assert unasked["error"] == "login_required"
    assert "step-up-password" in page.text
    assert "code" in answer_of(own)


async def test_a_user_with_a_factor_has_to_have_shown_it(
    world: World, app: App, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    """Threat: whoever knew the password alone had allowed an app before the factor was added."""
    tokens = await app.tokens(browser)
    await add_totp(world, await world.log_in(), clock)

    body = {"email": "new@example.com"}
    for method, path in (("GET", "/admin/users"), ("POST", "/admin/users")):
        answer = await world.api.request(method, path, json=body, headers=bearer(tokens))
        assert answer.json()["code"] == "insufficient_user_authentication"
        assert 'acr_values="aal2"' in answer.headers["www-authenticate"]


async def test_its_token_is_for_our_own_api_alone(world: World, browser: httpx.AsyncClient) -> None:
    """Threat: the other API uses it at ours."""
    await make_resource(world)
    own = own_api(world)
    app = await make_app(world, scope=("account:read", "orders:read"), resources=(own, ORDERS))
    query = [*app.query(scope="account:read orders:read").items()]
    both = [*query, ("resource", own), ("resource", ORDERS)]

    answer = await browser.get("/oauth2/authorize", params=both)

    assert answer_of(answer)["error"] == "invalid_target"


async def test_a_bound_token_needs_its_proof_there(
    world: World, app: App, browser: httpx.AsyncClient, holder: Holder
) -> None:
    answer = await exchange_code(app, await app.code(browser), holder)
    token = answer.json()["access_token"]

    for path in ("/me", "/admin/users"):
        good = await holder.show(token, path)
        twice = [await holder.show(token, path, jti=f"of {path}") for _ in range(2)]
        bare = await world.api.get(path, headers={"Authorization": f"Bearer {token}"})
        thief = await Holder(world, "EdDSA", nonce=holder.nonce).show(token, path)

        assert good.status_code == 200, path
        assert [one.status_code for one in twice] == [200, 401]
        assert [one.status_code for one in (bare, thief)] == [401, 401]


async def test_on_a_device_it_gets_what_its_user_holds(world: World) -> None:
    await clerk_in(world, "users:read")
    own = own_api(world)
    device = await make_device_app(world, scope=RIGHTS, resources=(own,))
    codes = await device.codes(scope=" ".join(RIGHTS), resource=own)
    async with signed_in(world, CLERK) as browser:
        page = await typed(browser, codes["user_code"])
        await decide(browser, codes["user_code"])

    tokens = (await device.poll(codes)).json()

    assert "Read your account" in text_of(page)
    assert "Make, change" not in text_of(page)
    assert tokens["scope"] == "account:read users:read"
    assert (await world.api.get("/me", headers=bearer(tokens))).status_code == 200


async def test_an_exchanged_token_is_none_of_our_own_api(
    world: World, browser: httpx.AsyncClient
) -> None:
    grants = (Grant.AUTHORIZATION_CODE, Grant.TOKEN_EXCHANGE)
    app = await make_own_app(world, grants=grants)
    tokens = await app.tokens(browser)

    answer = await app.token(
        {
            "grant_type": Grant.TOKEN_EXCHANGE,
            "subject_token": tokens["access_token"],
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "resource": own_api(world),
        }
    )

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


async def test_what_was_allowed_at_our_own_api_is_allowed_at_no_other(
    world: World, browser: httpx.AsyncClient
) -> None:
    """Threat: the other API has a right of the same name, which the user was not asked about."""
    await make_resource(world, scopes=("users:read",))
    grants, own = (Grant.AUTHORIZATION_CODE, Grant.TOKEN_EXCHANGE), own_api(world)
    app = await make_app(world, scope=("users:read",), resources=(own, ORDERS), grants=grants)
    app.asks = {"scope": "users:read", "resource": own}
    tokens = await app.tokens(browser)

    answer = await app.token(
        {
            "grant_type": Grant.TOKEN_EXCHANGE,
            "subject_token": tokens["access_token"],
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "resource": ORDERS,
        }
    )

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


async def test_the_account_is_of_no_service(world: World) -> None:
    root, own = await world.make_admin(), own_api(world)
    asked = {"name": "Jobs", "scope": ["account:read"], "resources": [own]}

    made = await world.api.post("/admin/clients", json=asked, headers=root.headers)
    both = await make_program(world, scope=["account:read", "users:read"], resources=[own])
    got = await both.ask_token()

    assert made.status_code == 422
    assert got.json()["scope"] == "users:read"
