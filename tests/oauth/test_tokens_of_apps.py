"""An app exchanges codes and refresh tokens, and what it got ends (OAuth 2.1 sections 4.1, 4.3)."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import jwt
import pytest
from tests.fixtures.apps import App, make_app
from tests.fixtures.clock import MovableClock
from tests.fixtures.links import forget_proof
from tests.fixtures.programs import ORDERS, Program, make_resource
from tests.fixtures.world import World
from tests.web.account_pages import signed_in

from keyfob.authority.models import Role
from keyfob.authority.roles import Roles
from keyfob.clients.models import AuthMethod, Grant
from keyfob.sessions.claims import SessionClaims

pytestmark = pytest.mark.usefixtures("ada")


@pytest.fixture
async def ada(world: World) -> UUID:
    """The user, whose address is verified."""
    return await world.make_user(name="Ada")


@pytest.fixture
async def app(world: World) -> App:
    return await make_app(world)


@pytest.fixture
async def browser(world: World, ada: UUID) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(world) as browser:
        yield browser


def claims_of(token: str) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def test_a_code_is_for_one_exchange_and_its_reuse_ends_what_it_gave(
    app: App, browser: httpx.AsyncClient
) -> None:
    code = await app.code(browser)
    tokens = (await app.exchange(code)).json()

    stolen = await app.exchange(code, code_verifier="w" * 43)
    alive = await app.refresh(tokens["refresh_token"])
    again = await app.exchange(code)
    ended = await app.refresh(alive.json()["refresh_token"])

    assert stolen.json()["error"] == again.json()["error"] == "invalid_grant"
    assert alive.status_code == 200
    assert ended.json()["error"] == "invalid_grant"


async def test_of_many_exchanges_at_once_one_wins(app: App, browser: httpx.AsyncClient) -> None:
    code = await app.code(browser)

    answers = await asyncio.gather(*(app.exchange(code) for _ in range(20)))

    assert sorted({answer.status_code for answer in answers}) == [200, 400]
    assert [answer.status_code for answer in answers].count(200) == 1


WRONG_EXCHANGES = [
    {"code_verifier": None},
    {"code_verifier": "w" * 43},
    {"code_verifier": "short"},
    {"redirect_uri": "https://app.example.com/other"},
    {"code": "unknown"},
]


async def test_a_code_needs_all_that_belongs_to_it(
    app: App, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    code = await app.code(browser)
    for wrong in WRONG_EXCHANGES:
        answer = await app.exchange(**{"code": code, **wrong})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant"), wrong
    assert (await app.exchange(code, redirect_uri=None)).status_code == 200

    late = await app.code(browser)
    clock.advance(61)
    assert (await app.exchange(late)).json()["error"] == "invalid_grant"


async def test_a_verifier_without_a_challenge_is_refused(
    world: World, browser: httpx.AsyncClient
) -> None:
    app = await make_app(world, require_pkce=False)
    asked = {"code_challenge": None, "code_challenge_method": None}

    downgraded = await app.exchange(await app.code(browser, **asked))
    plain = await app.exchange(await app.code(browser, **asked), code_verifier=None)

    assert downgraded.json()["error"] == "invalid_grant"
    assert plain.status_code == 200


async def test_a_code_and_a_refresh_token_are_of_one_client_alone(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    other = await make_app(world)
    code = await app.code(browser)

    foreign = await other.exchange(code)
    tokens = (await app.exchange(code)).json()
    refreshed = await other.refresh(tokens["refresh_token"])
    own = await world.api.post("/refresh", json={"refresh_token": tokens["refresh_token"]})

    assert foreign.json()["error"] == refreshed.json()["error"] == "invalid_grant"
    assert own.status_code in {401, 422}
    assert (await app.refresh(tokens["refresh_token"])).status_code == 200


async def test_a_public_app_proves_itself_by_the_verifier_alone(
    world: World, browser: httpx.AsyncClient
) -> None:
    app = await make_app(world, public=True)

    tokens = await app.tokens(browser)
    shown = {"token": tokens["access_token"], "client_id": str(app.id)}
    described = await world.api.post("/oauth2/introspect", data=shown)

    assert claims_of(tokens["access_token"])["client_id"] == str(app.id)
    assert described.status_code == 401


async def test_a_confidential_app_is_not_known_by_its_name_alone(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    code = await app.code(browser)
    public = App(world, app.id, None)

    assert (await public.exchange(code)).status_code == 401
    assert (await app.exchange(code)).status_code == 200


async def test_an_app_uses_the_grants_that_it_is_registered_for(
    world: World, browser: httpx.AsyncClient
) -> None:
    app = await make_app(world, grants=(Grant.AUTHORIZATION_CODE,))

    tokens = await app.tokens(browser)
    for grant in ("client_credentials", "refresh_token"):
        answer = await app.token({"grant_type": grant, "refresh_token": "x"})
        assert answer.json()["error"] == "unauthorized_client"

    assert "refresh_token" not in tokens


async def test_a_refresh_gives_the_same_successor_within_its_grace_and_later_ends(
    app: App, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    tokens = await app.tokens(browser)
    first = await app.refresh(tokens["refresh_token"])
    again = await app.refresh(tokens["refresh_token"])
    clock.advance(30)

    reused = await app.refresh(tokens["refresh_token"])
    after = await app.refresh(first.json()["refresh_token"])

    assert first.json()["refresh_token"] == again.json()["refresh_token"]
    assert reused.json()["error"] == after.json()["error"] == "invalid_grant"


async def test_a_refresh_may_ask_for_less_and_never_for_more(
    app: App, browser: httpx.AsyncClient
) -> None:
    token = (await app.tokens(browser))["refresh_token"]

    more = await app.refresh(token, scope="openid groups")
    less = (await app.refresh(token, scope="openid")).json()
    whole = (await app.refresh(less["refresh_token"])).json()

    assert more.json()["error"] == "invalid_scope"
    assert less["scope"] == "openid"
    assert whole["scope"] == "openid profile email"


@pytest.mark.parametrize("offline", [False, True], ids=["online", "offline"])
async def test_a_sign_out_ends_what_an_app_has_unless_it_may_work_alone(
    app: App, browser: httpx.AsyncClient, offline: bool
) -> None:
    scope = "openid offline_access" if offline else "openid"
    tokens = await app.tokens(browser, scope=scope)

    await browser.post("/ui/sign-out")
    after = await app.refresh(tokens["refresh_token"])

    assert after.status_code == (200 if offline else 400)


async def test_signing_out_everywhere_ends_what_apps_have(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    tokens = await app.tokens(browser, scope="openid offline_access")
    mine = await world.log_in()

    await world.api.delete("/logout-all", headers=mine.headers)

    assert (await app.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_sign_out_between_code_and_tokens_gives_none(
    app: App, browser: httpx.AsyncClient
) -> None:
    code = await app.code(browser)
    await browser.post("/ui/sign-out")

    assert (await app.exchange(code)).json()["error"] == "invalid_grant"


async def test_a_block_between_code_and_tokens_gives_none(
    world: World, app: App, browser: httpx.AsyncClient, ada: UUID
) -> None:
    code, admin = await app.code(browser), await world.make_admin()
    body = {"status": "blocked"}
    blocked = await world.api.patch(f"/admin/users/{ada}", json=body, headers=admin.headers)

    assert blocked.status_code == 200
    assert (await app.exchange(code)).json()["error"] == "invalid_grant"


async def test_a_refresh_token_is_given_up_by_its_client_alone(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    other = await make_app(world)
    token = (await app.tokens(browser))["refresh_token"]

    for client in (other, app):
        auth = httpx.BasicAuth(str(client.id), client.secret or "")
        answer = await world.api.post("/oauth2/revoke", data={"token": token}, auth=auth)
        assert answer.status_code == 200
        refreshed = await app.refresh(token)
        assert refreshed.status_code == (400 if client is app else 200)
        token = refreshed.json().get("refresh_token", token)


async def test_an_apps_token_opens_nothing_of_ours(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    token = (await app.tokens(browser))["access_token"]

    for path in ("/me", "/me/sessions", "/admin/users"):
        answer = await world.api.get(path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401, path


async def test_a_token_for_an_api_has_what_the_user_may_do_there(
    world: World, browser: httpx.AsyncClient
) -> None:
    await make_resource(world)
    app = await make_app(world, resources=(ORDERS,), scope=("orders:read", "orders:write"))
    asked = {"scope": "openid orders:read", "resource": ORDERS}

    tokens = await app.tokens(browser, **asked)

    access = claims_of(tokens["access_token"])
    assert access["aud"] == ORDERS
    assert access["scope"] == ""  # no role of hers has orders:read


async def test_many_grants_of_an_app_end_no_sign_in_of_the_user(
    app: App, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    first = (await app.tokens(browser))["refresh_token"]
    for _ in range(20):
        clock.advance(1)
        await app.tokens(browser)

    assert (await app.refresh(first)).json()["error"] == "invalid_grant"
    assert (await browser.get("/ui/account")).status_code == 200


async def test_an_unproven_address_is_not_told(world: World) -> None:
    app = await make_app(world)
    await world.make_user("eve@example.com")
    await forget_proof(world, "eve@example.com")
    async with signed_in(world, "eve@example.com") as browser:
        tokens = await app.tokens(browser)

    identity = claims_of(tokens["id_token"])
    assert {"email", "email_verified", "preferred_username"}.isdisjoint(identity)


async def test_a_signing_client_gets_tokens_in_its_algorithm(
    world: World, browser: httpx.AsyncClient
) -> None:
    for algorithm in ("RS256", "ES256", "EdDSA"):
        app = await make_app(world, id_token_alg=algorithm, auth_method=AuthMethod.BASIC)
        token = (await app.tokens(browser))["id_token"]
        keys = jwt.PyJWKSet.from_dict((await world.api.get("/.well-known/jwks.json")).json())
        header = jwt.get_unverified_header(token)
        key = next(one for one in keys.keys if one.key_id == header["kid"])
        assert header["alg"] == algorithm
        by_ours = {"verify_exp": False, "verify_iat": False}  # the clock of the tests stands
        jwt.decode(token, key, algorithms=[algorithm], audience=str(app.id), options=by_ours)


async def test_what_an_app_may_not_ask_for_any_more_is_not_refreshed(
    world: World, browser: httpx.AsyncClient, ada: UUID
) -> None:
    await make_resource(world)
    app = await make_app(world, resources=(ORDERS,), scope=("orders:read",))
    async with world.db.begin() as tx:
        await world.service(Roles).add(tx, "clerk", ["orders:read"])
        await world.service(Roles).give(tx, ada, "clerk", given_by=None, expires_at=None)
        await world.service(SessionClaims).change_roles(tx, ada, Role.USER)
    asked = {"scope": "openid orders:read", "resource": ORDERS}
    tokens = await app.tokens(browser, **asked)
    program = Program(world, app.id, app.secret or "")

    await program.change(scope=())
    less = (await app.refresh(tokens["refresh_token"])).json()
    await program.change(resources=())
    none = await app.refresh(less["refresh_token"])

    assert tokens["scope"] == "orders:read"
    assert "scope" not in less
    assert none.json()["error"] == "invalid_target"
