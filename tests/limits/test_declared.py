"""Each limited route counts what it declares: the address, the caller, or both.

The routes are read from the app, so that a new one cannot be forgotten.
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import CLIENT, World

from keyfob.devices.source import Source
from keyfob.limits.rates import OF_APPS
from keyfob.limits.requests import Limited
from keyfob.settings import Settings
from keyfob.web.visits import PageRoute

SOMEBODY = "01890000-0000-7000-8000-000000000000"
# Two requests of whoever is counted alone, four of an address whose changes are counted together.
TWO_EACH = {
    name: "2/minute"
    for name in Settings.model_fields
    if name.startswith("limit_") and name != "limit_store"
}
SETTINGS = {**TWO_EACH, "limits": "on", "limit_me_address": "4/minute"}
ACCOUNTS = ["ada", "bob", "eve"]
PASSED, REFUSED = True, False

# Of three requests of each account, and three without a token, from one address.
EXPECTED = {
    "address": [PASSED, PASSED, REFUSED, *[REFUSED] * 9],
    "caller": [PASSED, PASSED, REFUSED] * 4,
    "both": [*[PASSED, PASSED, REFUSED] * 2, *[REFUSED] * 3, PASSED, PASSED, REFUSED],
}
# Whoever adds a route that is counted otherwise says here, and in the review, why: by the address
# what strangers may call; by the caller alone what only reads, or takes away what the caller has.
# An administrator's calls are refused to others before they hash or mail, and administrators share
# an office. All else is counted by both.
BY_ADDRESS = {
    "POST /register",
    "POST /login",
    "POST /login/mfa",
    "POST /login/mfa/options",
    "POST /login/passkey/options",
    "POST /login/passkey/verify",
    "POST /verify-email/request",
    "POST /verify-email/confirm",
    "POST /recover/request",
    "POST /recover/confirm",
    "POST /oauth2/register",  # who asks has no account, nor need one
}
BY_CALLER = {
    "DELETE /logout",
    "DELETE /logout-all",
    "GET /me/sessions",
    "DELETE /me/sessions/{id}",
    "GET /me/grants",
    "DELETE /me/grants/{client_id}",
    "GET /me/logins",
    "GET /me/factors",
    "GET /me/api-keys",
    "DELETE /me/api-keys/{id}",
    "GET /revocations",
    "GET /revocations/stream",
}
# What is not counted in the shared store: a cheap answer, or counted in memory.
NOT_COUNTED = {
    "POST /refresh",
    "GET /me",
    "POST /oauth2/token",
    "POST /oauth2/introspect",
    "POST /oauth2/revoke",
    "POST /oauth2/device",
    "POST /oauth2/par",
    "GET /oauth2/userinfo",
    "POST /oauth2/userinfo",
}
# Forms that end something of the reader's, or only lead on.
PAGES_BY_CALLER = {
    "POST /ui/account/apps/{id}/remove",
    "POST /ui/account/keys/{id}/revoke",
    "POST /ui/account/sessions/end-others",
    "POST /ui/account/sessions/{id}/end",
    "POST /ui/logout",
    "POST /ui/sign-out",
    "POST /ui/step-up",
}
# Pages that look up nothing but who is signed in, if anybody is.
PAGES_NOT_COUNTED = {
    *("GET /ui", "GET /ui/{rest}", "GET /console/{rest}", "GET /ui/help"),
    *("GET /ui/sign-in", "GET /ui/signed-in", "GET /ui/sign-out", "GET /ui/register"),
    *("GET /ui/recover", "GET /ui/invite", "GET /ui/verify", "GET /ui/email"),
}
# What a link alone has written down.
WRITING_PAGES = {"GET /oauth2/authorize", "GET /ui/authorize"}


def declarations(app: FastAPI, *, of_pages: bool = False) -> dict[str, Limited]:
    """Return the declaration of each limited operation of the API, or of pages; none has two."""
    found = {}
    for route in app.router.routes:
        if isinstance(route, APIRoute) and isinstance(route, PageRoute) == of_pages:
            declared = [one.dependency for one in route.dependencies]
            limits = [one for one in declared if isinstance(one, Limited)]
            assert len(limits) <= 1, route
            found.update({f"{m} {route.path_format}": limits[0] for m in route.methods if limits})
    return found


def forms(app: FastAPI) -> set[str]:
    """Return the pages that take a form."""
    pages = [one for one in app.router.routes if isinstance(one, PageRoute)]
    return {f"POST {page.path_format}" for page in pages if "POST" in page.methods}


@pytest.fixture
async def worlds(settings: Settings, clock: MovableClock) -> AsyncIterator[tuple[World, World]]:
    """One worker whose limits are tight, and one without on the same database, to sign in at."""
    async with (
        World(settings.model_copy(update=SETTINGS), clock) as limited,
        World(settings, clock) as free,
    ):
        for name in ACCOUNTS:
            await free.make_user(f"{name}@example.com")
        yield limited, free


async def ask(world: World, operation: str, **more: Any) -> httpx.Response:
    method, path = operation.split()
    return await world.api.request(method, path.replace("{id}", SOMEBODY), **more)


@pytest.mark.no_cover  # a sweep over what other tests cover
async def test_every_limited_route_counts_what_it_declares(
    worlds: tuple[World, World], clock: MovableClock
) -> None:
    limited, free = worlds
    declared = declarations(limited.app)
    ids = await free.db.fetch("SELECT id FROM users ORDER BY email")
    for operation, limit in declared.items():
        passed = []
        for (user_id,) in ids:
            for _ in range(3):
                # Anew each time: the call may end the session, or all of them.
                async with free.db.begin() as tx:
                    own = await free.open_session(tx, user_id, Source(CLIENT, "Firefox"))
                passed.append(
                    (await ask(limited, operation, headers=own.headers)).status_code != 429
                )
        for token in ("", "Bearer none", "Bearer a.b.c"):
            headers = {"Authorization": token} if token else {}
            passed.append((await ask(limited, operation, headers=headers)).status_code != 429)

        assert passed == EXPECTED[limit.by], operation
        clock.advance(60)
    assert len(declared) > 40


async def test_a_route_is_counted_by_address_or_caller_alone_for_a_reason(world: World) -> None:
    by: dict[str, set[str]] = {"address": set(), "caller": set(), "both": set()}
    for operation, limit in declarations(world.app).items():
        by[limit.by].add(operation)

    assert by["address"] == BY_ADDRESS
    admin = {operation for operation in by["caller"] if " /admin/" in operation}
    assert by["caller"] - admin == BY_CALLER
    assert not any(operation.startswith("GET ") for operation in by["both"] - {"GET /me/export"})


async def test_pages_are_counted_by_the_address_as_well_where_they_write(world: World) -> None:
    declared = declarations(world.app, of_pages=True)
    of_readers = {page: limit for page, limit in declared.items() if " /console" not in page}
    by_caller = {page for page, limit in of_readers.items() if limit.by == "caller"}

    assert forms(world.app) <= declared.keys()
    assert {page for page in by_caller if page.startswith("POST ")} == PAGES_BY_CALLER
    by_both = {page for page, limit in of_readers.items() if limit.by == "both"}
    assert {page for page in by_both if page.startswith("GET ")} == WRITING_PAGES
    assert all(of_readers[page].shared == OF_APPS for page in WRITING_PAGES)


async def test_every_page_is_counted_but_those_that_look_nothing_up(world: World) -> None:
    pages = [one for one in world.app.router.routes if isinstance(one, PageRoute)]
    asked = {f"{method} {page.path_format}" for page in pages for method in page.methods}

    assert asked - set(declarations(world.app, of_pages=True)) == PAGES_NOT_COUNTED


async def test_every_route_that_asks_for_a_token_or_takes_a_body_is_limited(world: World) -> None:
    served = {
        f"{method.upper()} {path}"
        for path, operations in world.app.openapi()["paths"].items()
        for method, told in operations.items()
        if told.get("security") or "requestBody" in told
    }

    assert served - set(declarations(world.app)) == NOT_COUNTED


async def test_openapi_says_what_a_route_is_counted_by(world: World) -> None:
    told = {
        f"{method.upper()} {path}": operation["responses"]["429"]["description"]
        for path, operations in world.app.openapi()["paths"].items()
        for method, operation in operations.items()
        if "429" in operation["responses"]
    }

    assert "Counted per client address (`KEYFOB_LIMIT_LOGIN`)" in told["POST /login"]
    assert "Counted per caller (`KEYFOB_LIMIT_ME`)" in told["GET /me/sessions"]
    assert (
        "Counted per caller (`KEYFOB_LIMIT_ME_PASSWORD`), and per client address"
        " (`KEYFOB_LIMIT_ME_ADDRESS`)" in told["POST /me/reauthenticate"]
    )
    for operation, limit in declarations(world.app).items():
        named = f"KEYFOB_LIMIT_{limit.route.upper().replace('-', '_')}"
        assert named.lower().removeprefix("keyfob_") in Settings.model_fields
        assert f"`{named}`" in told[operation], operation


async def test_both_counts_stand_in_the_headers_and_a_refusal_takes_from_neither(
    worlds: tuple[World, World], clock: MovableClock
) -> None:
    limited, free = worlds
    ada = (await free.log_in()).headers
    bob = (await free.log_in("bob@example.com")).headers

    first = await limited.api.patch("/me", json={}, headers=ada)
    await limited.api.patch("/me", json={}, headers=ada)
    clock.advance(20)
    refused = await limited.api.patch("/me", json={}, headers=ada)
    others = [await limited.api.patch("/me", json={}, headers=bob) for _ in range(2)]

    assert first.headers["ratelimit-policy"] == '"me";q=2;w=60, "me-address";q=4;w=60'
    assert first.headers["ratelimit"] == '"me";r=1;t=60, "me-address";r=3;t=60'
    assert refused.headers["ratelimit"] == '"me";r=0;t=40, "me-address";r=2;t=40'
    assert refused.headers["retry-after"] == "40"
    assert [one.status_code for one in others] == [200, 200]
    assert others[1].headers["ratelimit"] == '"me";r=0;t=60, "me-address";r=0;t=40'


async def test_an_address_s_users_are_not_in_the_way_of_those_elsewhere(
    worlds: tuple[World, World],
) -> None:
    limited, free = worlds
    for name in ("ada", "bob"):
        own = (await free.log_in(f"{name}@example.com")).headers
        for _ in range(2):
            (await limited.api.patch("/me", json={}, headers=own)).raise_for_status()
    eve = (await free.log_in("eve@example.com")).headers

    here = await limited.api.patch("/me", json={}, headers=eve)
    async with limited.client("198.51.100.1", **eve) as api:
        there = await api.patch("/me", json={})

    assert [here.status_code, there.status_code] == [429, 200]
