"""`userinfo` tells an app about the user of its token, as far as the scope goes."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.hostile import each_change
from tests.fixtures.programs import ORDERS, Program, own_api
from tests.fixtures.world import SignedIn, World

from keyfob.authority.models import Role
from keyfob.core.clock import Clock
from keyfob.tokens.access import AccessTokens
from keyfob.tokens.id_tokens import IdTokens
from keyfob.tokens.models import AccessClaims

APP = UUID(int=77)
PATH = "/oauth2/userinfo"
EVERYTHING = ("openid", "profile", "email", "groups")


def token_of(
    world: World, user: UUID, signed_in: SignedIn, *scope: str, **changed: Any
) -> dict[str, str]:
    """Return the header of a token as an app of that user has it."""
    claims = AccessClaims(
        subject=user,
        session_id=UUID(signed_in.session_id),
        generation=0,
        role=Role.USER,
        roles=("user", "editor"),
        auth_time=world.service(Clock).now(),
        amr=("pwd",),
        client_id=str(APP),
        scope=scope or EVERYTHING,
        audience=(own_api(world) + PATH,),
    )
    token, _ = world.service(AccessTokens).issue(claims._replace(**changed))
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def user(world: World) -> UUID:
    user = await world.make_user(name="Ada Lovelace")
    await world.db.execute("UPDATE users SET timezone = 'Europe/London' WHERE id = $1", user)
    return user


@pytest.fixture
async def ada(world: World, user: UUID) -> SignedIn:
    return await world.log_in()


async def told(world: World, headers: dict[str, str]) -> Any:
    answer = await world.api.get(PATH, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


def assert_refused(answer: httpx.Response, *, error: str = "invalid_token") -> None:
    assert (answer.status_code, answer.json()["error"]) == (401, error)
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_each_scope_gives_what_is_promised(world: World, user: UUID, ada: SignedIn) -> None:
    profile = {
        "preferred_username": "ada@example.com",
        "name": "Ada Lovelace",
        "locale": "en",
        "zoneinfo": "Europe/London",
    }
    email = {"email": "ada@example.com", "email_verified": True}
    groups = {"groups": ["user", "editor"]}
    for scope, claims in (
        ((), {}),
        (("profile",), profile),
        (("email",), email),
        (("groups",), groups),
        (("offline_access", "orders:read"), {}),
        (EVERYTHING, {**profile, **email, **groups}),
    ):
        headers = token_of(world, user, ada, "openid", *scope)
        assert await told(world, headers) == {"sub": str(user), **claims}


async def test_an_address_that_nobody_has_proven_is_not_told(
    world: World, user: UUID, ada: SignedIn
) -> None:
    headers = token_of(world, user, ada)
    await world.db.execute("UPDATE users SET email_verified_at = NULL")

    claims = await told(world, headers)

    assert claims.keys() == {"sub", "name", "locale", "zoneinfo", "groups"}
    assert "ada@example.com" not in str(claims)


async def test_a_token_may_come_in_the_header_or_in_a_form_and_nowhere_else(
    world: World, user: UUID, ada: SignedIn
) -> None:
    headers = token_of(world, user, ada)
    form = {"access_token": headers["Authorization"].removeprefix("Bearer ")}
    expected = await told(world, headers)

    for answer in (
        await world.api.post(PATH, headers=headers),
        await world.api.post(PATH, data=form),
        await world.api.get(PATH, headers={"Authorization": f"bearer {form['access_token']}"}),
    ):
        assert (answer.status_code, answer.json()) == (200, expected)
    for answer in (
        await world.api.post(PATH, headers=headers, data=form),
        await world.api.get(PATH, params=form),
        await world.api.post(PATH, params=form),
        await world.api.request("GET", PATH, data=form),
        await world.api.post(PATH, json=form),
        await world.api.post(
            PATH,
            content=b"access_token=a&access_token=b",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        ),
    ):
        assert answer.status_code == 400
    for nothing in ({}, {"Authorization": "Basic QTpC"}, {"Authorization": "Bearer "}):
        answer = await world.api.get(PATH, headers=nothing)
        algorithms = "EdDSA Ed25519 ES256 PS256"
        challenge = f'Bearer, DPoP algs="{algorithms}"'
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, challenge)


async def test_a_token_without_openid_is_too_narrow(
    world: World, user: UUID, ada: SignedIn
) -> None:
    answer = await world.api.get(PATH, headers=token_of(world, user, ada, "profile", "email"))

    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    challenge = 'Bearer error="insufficient_scope", scope="openid"'
    assert answer.headers["www-authenticate"] == challenge


async def test_no_other_token_opens_it(
    world: World, user: UUID, ada: SignedIn, program: Program
) -> None:
    issuer = own_api(world)
    others = [
        ada.headers,  # of our own sign-in
        {"Authorization": f"Bearer {await program.get_token()}"},
        {"Authorization": f"Bearer {ada.refresh}"},
        token_of(world, user, ada, audience=(ORDERS,)),
        token_of(world, user, ada, audience=(issuer,)),
        token_of(world, user, ada, audience=(f"{issuer}{PATH}/",)),
        # Of a program, and of a key: nobody has signed in.
        token_of(world, user, ada, role=None, roles=(), auth_time=None, amr=(), subject=APP),
        token_of(world, user, ada, auth_time=None, amr=()),
    ]
    for headers in others:
        assert_refused(await world.api.get(PATH, headers=headers))


async def test_an_id_token_is_no_access_token(world: World, user: UUID) -> None:
    token = await world.service(IdTokens).issue(
        subject=user,
        client_id=own_api(world) + PATH,
        algorithm="EdDSA",
        auth_time=world.service(Clock).now(),
        amr=("pwd",),
        acr=None,
        nonce=None,
        sid=str(UUID(int=3)),
        access_token=None,
        claims={"scope": "openid", "client_id": str(APP), "gen": 0},
        lifetime=300,
    )

    assert_refused(await world.api.get(PATH, headers={"Authorization": f"Bearer {token}"}))


async def test_it_does_not_open_our_own_api(world: World, user: UUID, ada: SignedIn) -> None:
    for path in ("/me", "/me/sessions", "/admin/users"):
        assert (await world.api.get(path, headers=token_of(world, user, ada))).status_code == 401


async def test_a_changed_token_is_refused(world: World, user: UUID, ada: SignedIn) -> None:
    token = token_of(world, user, ada)["Authorization"].removeprefix("Bearer ")

    for changed in each_change(token)[::23]:
        answer = await world.api.get(PATH, headers={"Authorization": f"Bearer {changed}"})
        assert_refused(answer)


async def log_out(world: World, ada: SignedIn) -> None:
    (await world.api.delete("/logout-all", headers=ada.headers)).raise_for_status()


async def delete(world: World, _: SignedIn) -> None:
    """Leave nothing but the token, as if the feed had not arrived yet."""
    await world.db.execute("DELETE FROM sessions")
    await world.db.execute("DELETE FROM users")


@pytest.mark.parametrize("end", [log_out, delete])
async def test_what_ends_the_session_ends_the_token(
    world: World, user: UUID, ada: SignedIn, end: Callable[[World, SignedIn], Awaitable[None]]
) -> None:
    headers = token_of(world, user, ada)
    await told(world, headers)

    await end(world, ada)

    assert_refused(await world.api.get(PATH, headers=headers))


async def test_an_expired_token_is_refused(
    world: World, user: UUID, ada: SignedIn, clock: MovableClock
) -> None:
    headers = token_of(world, user, ada)
    await told(world, headers)

    clock.advance(timedelta(minutes=5).total_seconds())

    assert_refused(await world.api.get(PATH, headers=headers))


@pytest.mark.parametrize("origin", ["https://app.example.com", "null"])
async def test_a_page_of_any_origin_may_read_it(
    world: World, user: UUID, ada: SignedIn, origin: str
) -> None:
    page = world.client(Origin=origin, **{"Sec-Fetch-Site": "cross-site"})
    headers = token_of(world, user, ada)
    asks = {
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }

    for answer in (
        await page.get(PATH, headers=headers),
        await page.post(PATH, headers=headers),
        await page.get(PATH),
        await page.options(PATH, headers=asks),
    ):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
    assert "WWW-Authenticate" in (await page.get(PATH)).headers["access-control-expose-headers"]
    assert "authorization" in answer.headers["access-control-allow-headers"]
    for path in ("token", "introspect", "revoke"):
        refused = await page.post(f"/oauth2/{path}")
        assert "access-control-allow-origin" not in refused.headers
