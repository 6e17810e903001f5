"""Line 27 of the abuse list: every route admits only those that it declares, in any spelling."""

from collections import defaultdict
from itertools import product
from uuid import UUID

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Route
from tests.fixtures.world import SignedIn, World

from keyfob.authority.models import Role
from keyfob.web.visits import PageRoute

Operation = tuple[str, str]
# Whoever adds a route that strangers may call adds it here, and says why in the review.
PUBLIC: set[Operation] = {
    ("POST", "/oauth2/register"),
    ("POST", "/register"),
    ("POST", "/login"),
    ("POST", "/login/mfa"),  # the token of the first step says who it is
    ("POST", "/login/mfa/options"),
    ("POST", "/refresh"),
    ("POST", "/verify-email/request"),
    ("POST", "/verify-email/confirm"),  # the link says who it is
    ("POST", "/recover/request"),
    ("POST", "/recover/confirm"),
    ("POST", "/login/passkey/options"),  # nobody is known yet
    ("POST", "/login/passkey/verify"),
    ("GET", "/"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/.well-known/oauth-protected-resource"),
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/.well-known/webauthn"),  # browsers ask which other domains may use passkeys of ours
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
}
PAGES: set[Operation] = {
    # The same as above, at the root of the host: for the path of the issuer alone.
    ("GET", "/.well-known/oauth-authorization-server/{path}"),
    ("GET", "/.well-known/oauth-protected-resource/{path}"),
    ("GET", "/.well-known/openid-configuration/{path}"),
    ("GET", "/docs"),
    ("GET", "/redoc"),
    ("GET", "/openapi.json"),
    ("GET", "/docs/swagger-ui.css"),
    ("GET", "/docs/swagger-ui-bundle.js"),
    ("GET", "/docs/start-swagger.js"),
    ("GET", "/docs/redoc.standalone.js"),
    ("GET", "/docs/start-redoc.js"),
    ("GET", "/docs/favicon.svg"),
    ("GET", "/ui/static/{name}"),
}
OF_EVERY_USER: set[Operation] = {
    ("DELETE", "/logout"),
    ("DELETE", "/logout-all"),
    ("GET", "/me"),
    ("GET", "/me/sessions"),
    ("DELETE", "/me/sessions/{id}"),
    ("GET", "/me/grants"),
    ("DELETE", "/me/grants/{client_id}"),
    ("GET", "/me/logins"),
    ("POST", "/me/reauthenticate"),
    ("GET", "/me/factors"),
    ("POST", "/me/factors/totp"),
    ("POST", "/me/factors/totp/{id}/confirm"),
    ("POST", "/me/factors/recovery-codes"),
    ("PATCH", "/me/factors/{id}"),
    ("DELETE", "/me/factors/{id}"),
    ("POST", "/me/factors/passkeys/options"),
    ("POST", "/me/factors/passkeys"),
    ("PATCH", "/me"),
    ("POST", "/me/password"),
    ("POST", "/me/email"),
    ("POST", "/me/email/confirm"),
    ("GET", "/me/export"),
    ("DELETE", "/me"),
    ("POST", "/me/keep"),
    ("GET", "/me/api-keys"),
    ("POST", "/me/api-keys"),
    ("PATCH", "/me/api-keys/{id}"),
    ("DELETE", "/me/api-keys/{id}"),
}
# What administrators may call, and programs.
OF_READERS: set[Operation] = {
    ("GET", "/revocations"),
    ("GET", "/revocations/stream"),
}
# What clients call, who prove to be themselves otherwise: no token of anybody opens it.
OF_CLIENTS: set[Operation] = {
    ("POST", "/oauth2/token"),
    ("POST", "/oauth2/introspect"),
    ("POST", "/oauth2/revoke"),
    ("POST", "/oauth2/device"),
    ("POST", "/oauth2/par"),
    *(OF_APPS := {("GET", "/oauth2/userinfo"), ("POST", "/oauth2/userinfo")}),
}
# Asked without the body, which does not end.
ENDLESS: set[Operation] = {("GET", "/revocations/stream"), ("GET", "/admin/events/stream")}
# Answered by `/admin/users/{id}`, which has these methods: "bulk" is no id.
COVERED = {(method, "/admin/users/bulk") for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE")}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"]
SOMEBODY = str(UUID("01890000-0000-7000-8000-000000000000"))


def operations_of(app: FastAPI) -> set[Operation]:
    """Return the operations of the router, whether OpenAPI lists them or not, without pages."""
    found: set[Operation] = set()
    for route in app.router.routes:
        if isinstance(route, PageRoute):  # see tests/web/test_pages_rules.py
            continue
        assert isinstance(route, APIRoute | Route), f"{route} has no method to try"
        found |= {(method, route.path_format) for method in route.methods or ()}
    return found


def url_of(path: str) -> str:
    return path.format_map(defaultdict(lambda: SOMEBODY, name="support", path="auth"))


async def ask(
    world: World, operation: Operation, caller: SignedIn | None = None, path: str | None = None
) -> httpx.Response:
    """Call an operation without a body: authority is checked before a body is read."""
    method, documented = operation if operation not in ENDLESS else ("HEAD", operation[1])
    headers = caller.headers if caller else {}
    url = f"http://keyfob.test{path or url_of(documented)}"  # whole, or "//me" would name a host
    return await world.api.request(method, url, headers=headers)


async def open_to_strangers(world: World) -> set[Operation]:
    """Try every operation without a token; return those that do not ask for one."""
    return {
        operation
        for operation in operations_of(world.app)
        if (await ask(world, operation)).status_code != 401
    }


async def test_27_every_route_has_declared_authority(world: World) -> None:
    assert await open_to_strangers(world) == PUBLIC | PAGES


async def test_27_a_route_added_without_authority_is_found(world: World) -> None:
    async def forgotten() -> dict[str, str]:
        return {"secret": "everybody's"}

    world.app.add_api_route("/admin/forgotten", forgotten, methods=["POST"])
    world.app.add_api_route("/hidden", forgotten, include_in_schema=False)

    assert await open_to_strangers(world) - PUBLIC - PAGES == {
        ("POST", "/admin/forgotten"),
        ("GET", "/hidden"),
    }


async def test_27_the_schema_declares_what_the_service_does(world: World) -> None:
    documented = {
        (method.upper(), path): operation
        for path, operations in world.app.openapi()["paths"].items()
        for method, operation in operations.items()
    }
    # Nobody need be signed in where nothing is one of the ways.
    without_security = {
        name for name, told in documented.items() if {} in told.get("security", [{}])
    }

    assert set(documented) | PAGES == operations_of(world.app)
    assert without_security == PUBLIC
    for name in OF_CLIENTS:
        assert documented[name]["security"] == [{"app": []} if name in OF_APPS else {"client": []}]
    for name in set(documented) - PUBLIC - OF_CLIENTS:
        assert documented[name]["security"] == [{"bearer": []}]
        assert "401" in documented[name]["responses"]
        assert ("403" in documented[name]["responses"]) >= name[1].startswith("/admin/")


async def every_role(world: World) -> dict[Role, SignedIn]:
    """Sign in once as each role."""
    for role in Role:
        await world.make_user(f"{role}@example.com", role=role)
    await world.make_user("keeper@example.com", role=Role.ADMIN)
    return {role: await world.log_in(f"{role}@example.com") for role in Role}


async def test_27_every_operation_is_for_the_roles_that_it_says(world: World) -> None:
    await every_role(world)
    for operation in sorted(operations_of(world.app) - PUBLIC - PAGES - OF_CLIENTS):
        answers = {
            # Signed in anew each time: some operations sign out.
            role: (await ask(world, operation, await world.log_in(f"{role}@example.com")))
            for role in Role
        }
        allowed = {role for role, answer in answers.items() if answer.status_code != 403}
        if operation in OF_EVERY_USER:
            assert allowed == set(Role), operation
        else:
            assert operation in OF_READERS or operation[1].startswith("/admin/"), operation
            assert allowed == {Role.ADMIN}, operation
            if operation not in ENDLESS:
                assert answers[Role.USER].json()["code"] == "forbidden"
        statuses = {answers[role].status_code for role in allowed}
        assert statuses <= {200, 202, 204, 404, 409, 422}, operation


async def test_27_a_method_that_is_not_declared_does_nothing_for_anyone(world: World) -> None:
    callers = [None, *(await every_role(world)).values()]
    declared = operations_of(world.app)
    for path in sorted({path for _, path in declared}):
        for method in METHODS:
            if (method, path) in declared | COVERED:
                continue
            for caller in callers:
                answer = await ask(world, (method, path), caller)
                expected = 405
                if method == "HEAD" and ("GET", path) in declared:
                    expected = (await ask(world, ("GET", path), caller)).status_code
                    assert answer.content == b""
                assert answer.status_code == expected, (method, path)


SPELLINGS = [
    "/auth{path}",
    "{path}/",
    "{path}///",
    "/auth{path}/",
    "/{path}",
    "/auth/{path}",
    "/auth/auth{path}",
    "/auth/..{path}",
    "/.{path}",
    "/docs/..{path}",
    "{path}/.",
    "{path};x=1",
    "{path}%00",
    "{path}%20",
    "{path}%2f",
    "{path}?",
    "{path}?role=admin",
    "{path}#/login",
]


async def test_27_no_spelling_of_a_path_opens_it(world: World) -> None:
    user = (await every_role(world))[Role.USER]
    for spelling, operation in product(
        SPELLINGS, sorted(operations_of(world.app) - PUBLIC - PAGES)
    ):
        path = spelling.replace("{path}", url_of(operation[1]))
        stranger = await ask(world, operation, path=path)
        assert stranger.status_code in {401, 404, 405}, path
        if operation not in OF_EVERY_USER:
            as_user = await ask(world, operation, user, path)
            refused = 401 if operation in OF_CLIENTS else 403
            assert as_user.status_code in {refused, 404, 405}, path


async def test_27_letters_of_a_path_are_those_declared(world: World) -> None:
    for method, path in sorted(operations_of(world.app) - PUBLIC - PAGES):
        url = url_of(path)
        for spelling in (url.upper(), url.title(), url.replace("a", "%61")):
            answer = await ask(world, (method, path), path=spelling)
            assert answer.status_code in {401, 404, 405}, spelling


NO_BEARER_TOKENS = [
    "",
    "Bearer",
    "Bearer ",
    "Bearer null",
    "Bearer undefined",
    "Basic YWRtaW46YWRtaW4=",
    "Token {token}",
    "{token}",
    "Bearer {token}x",
    "Bearer x {token}",
    "Bearer, {token}",
    "Bearer {token},{token}",
    "Bearer\u00a0{token}",
]


async def test_27_nothing_but_a_bearer_token_is_one(world: World) -> None:
    admin = await world.make_admin()
    for header in NO_BEARER_TOKENS:
        text = header.replace("{token}", admin.access).encode("latin-1")
        for path in ("/me", "/me/sessions", "/admin/users"):
            answer = await world.api.get(path, headers={b"authorization": text})
            assert answer.status_code == 401, (header, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_27_a_token_elsewhere_than_in_the_header_is_refused(world: World) -> None:
    admin = await world.make_admin()
    for path in ("/me", "/admin/users"):
        for name in ("access_token", "token", "refresh_token"):
            in_query = await world.api.get(path, params={name: admin.access})
            assert in_query.status_code == 400
        in_cookie = await world.api.get(path, headers={"cookie": f"access_token={admin.access}"})
        assert in_cookie.status_code == 401
        twice = await world.api.get(
            path, headers=[("authorization", f"Bearer {admin.access}"), ("authorization", "x")]
        )
        assert twice.status_code == 400
