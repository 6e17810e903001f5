"""Lines 35 to 38 of the abuse list: metacharacters, hosts, origins, and what fits the schema."""

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.fuzzing import ENDLESS, fuzz
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.settings import Settings

SOMEBODY = "01a20320-a200-7eb9-b2c7-7bf922b4dd2d"
# 35

METACHARACTERS = [
    "'; DROP TABLE users; --",
    "' OR '1'='1",
    "\\'; SELECT pg_sleep(10); --",
    "$1, $2",
    "%(name)s %s {0} {name}",
    "{{7*7}} ${7*7} #{7*7} <%= 7*7 %>",
    "{% for x in y %}{% endfor %}",
    "%_\\%\\_",
    '"><script>alert(1)</script>',
    "$(id) `id` | id; id",
    "*)(uid=*))(|(uid=*",
    "../../etc/passwd",
    "\\u0000 \\x00 %00",
    "=cmd|'/c calc'!A1",
]


@pytest.mark.parametrize("text", METACHARACTERS)
async def test_35_metacharacters_are_data_everywhere(
    world: World, admin: SignedIn, text: str
) -> None:
    password = f"{PASSWORD} {text} {PASSWORD}"
    made = await world.api.post(
        "/register",
        json={"email": "ada@example.com", "password": password, "name": text},
        headers={"User-Agent": text.encode("latin-1")},
    )
    signed_in = await world.attempt_login(password=password)
    assert (made.status_code, signed_in.status_code) == (201, 200)

    me = await world.me(SignedIn.of(signed_in))
    assert me.json()["name"] == text
    other = await world.make_user("b@example.com", name="somebody else")
    found = await world.api.get("/admin/users", params={"search": text}, headers=admin.headers)
    assert [user["name"] for user in found.json()] == [text]
    assert found.headers["x-total-count"] == "1"
    renamed = await world.api.patch(
        f"/admin/users/{other}", json={"name": text}, headers=admin.headers
    )
    assert renamed.json()["name"] == text

    for query in ("action", "cursor", "sort", "role", "ip_address", "outcome"):
        for path in ("/admin/users", "/admin/logins", "/admin/audit"):
            answer = await world.api.get(path, params={query: text}, headers=admin.headers)
            assert answer.status_code < 500, (path, query)
    for field in ("email", "token"):
        for path in ("/login", "/register", "/refresh"):
            body = {field: text, "password": password}
            assert (await world.api.post(path, json=body)).status_code in {401, 422}
    assert await world.db.fetchval("SELECT count(*) FROM users") == 3


# 36

POISON = [
    {"Host": "evil.example"},
    {"Host": "evil.example:80"},
    {"Host": ""},
    {"X-Forwarded-Host": "evil.example"},
    {"X-Forwarded-Proto": "javascript"},
    {"X-Forwarded-Prefix": "/evil.example"},
    {"X-Original-URL": "/evil.example"},
    {"X-Rewrite-URL": "/evil.example"},
    {"Forwarded": "host=evil.example;proto=http"},
    {"Origin": "https://evil.example", "Referer": "https://evil.example/"},
]


@pytest.mark.parametrize("poison", POISON, ids=str)
async def test_36_a_poisoned_host_changes_no_link(
    world: World, admin: SignedIn, poison: dict[str, str]
) -> None:
    await world.make_user()

    async def links(headers: dict[str, str]) -> list[str]:
        headers = {**admin.headers, **headers}
        list_of_users = await world.api.get("/admin/users?limit=1&sort=email", headers=headers)
        made = await world.api.post(
            "/admin/users",
            json={"email": "new@example.com", "password": PASSWORD},
            headers=headers,
        )
        await world.api.delete(made.headers["location"], headers=admin.headers)
        pages = [await world.api.get(path, headers=headers) for path in ("/", "/docs", "/redoc")]
        token = (await world.refresh(admin.refresh)).json()["access_token"]
        schema = (await world.api.get("/openapi.json", headers=headers)).json()
        return [
            list_of_users.headers["link"],
            made.headers["location"].rpartition("/")[0],
            *(page.text for page in pages),
            str(schema["servers"]),
            token.split(".")[0],
        ]

    poisoned, clean = await links(poison), await links({})

    assert poisoned[:-1] == clean[:-1]
    assert "evil.example" not in str(poisoned)
    assert poisoned[0].startswith("</auth/admin/users?")
    assert poisoned[1] == "/auth/admin/users"


@pytest.mark.parametrize(
    "host", ["evil.example/path", "evil.example?x=#y", "user@evil.example:80", "a b"]
)
async def test_36_a_host_that_is_none_is_refused(world: World, admin: SignedIn, host: str) -> None:
    for path in ("/", "/me", "/admin/users", "/docs"):
        answer = await world.api.get(path, headers={**admin.headers, "Host": host})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_36_a_proxy_that_is_trusted_changes_no_link_either(
    settings: Settings, clock: MovableClock
) -> None:
    trusting = settings.model_copy(update={"trusted_proxies": ["10.0.0.0/8"]})
    trusting = Settings(**{**trusting.model_dump(), "_env_file": None})
    async with World(trusting, clock) as world:
        admin = await world.make_admin()
        await world.make_user()
        headers = {**admin.headers, "X-Forwarded-Host": "evil.example", "Host": "evil.example"}
        page = await world.client("10.0.0.1").get("/admin/users?limit=1", headers=headers)

    assert page.headers["link"].startswith("</auth/admin/users?limit=1&cursor=")


# 37


async def test_37_foreign_origins_get_no_cors_answer_but_for_public_keys(
    world: World, admin: SignedIn
) -> None:
    paths = [*world.app.openapi()["paths"], "/docs", "/openapi.json", "/nothing"]
    for origin in ("https://evil.example", "null", "http://keyfob.test", "*"):
        for path in paths:
            for method in ("OPTIONS", "GET"):
                answer = await world.api.request(
                    method,
                    path.format(id=SOMEBODY, secret=SOMEBODY, client_id=SOMEBODY, name="support"),
                    headers={
                        # With the right to it, the stream would not end.
                        **(admin.headers if path not in ENDLESS else {}),
                        "Origin": origin,
                        "Access-Control-Request-Method": "DELETE",
                        "Access-Control-Request-Headers": "authorization, content-type",
                        "Access-Control-Request-Private-Network": "true",
                    },
                )
                allowed = [name for name in answer.headers if name.startswith("access-control")]
                if path.startswith("/.well-known/") or path == "/oauth2/userinfo":
                    assert answer.headers["access-control-allow-origin"] == "*"
                    assert "access-control-allow-credentials" not in allowed
                    continue
                assert (path, allowed) == (path, [])
                assert answer.headers["cross-origin-resource-policy"] == "same-origin"
                if method == "OPTIONS":
                    assert answer.status_code in {404, 405}


# 38

OF_STRANGERS = {
    "GET /",
    "GET /.well-known/jwks.json",
    "GET /.well-known/oauth-authorization-server",
    "GET /.well-known/oauth-protected-resource",
    "GET /.well-known/openid-configuration",
    "GET /health/live",
    "GET /health/ready",
    "POST /register",
    "POST /login",
    "POST /login/passkey/options",
    "POST /verify-email/request",
    "POST /recover/request",
}
# What only chance would find: a token or a passkey of ours, or a password that it did not set; and
# a list of related origins, of which the settings name none.
BEYOND_CHANCE = {
    "GET /.well-known/webauthn",
    "POST /oauth2/token",
    "POST /oauth2/introspect",
    "POST /oauth2/revoke",
    "POST /oauth2/device",
    "POST /oauth2/par",
    "POST /oauth2/register",
    "GET /oauth2/userinfo",
    "POST /oauth2/userinfo",
    "GET /admin/clients/{id}",
    "PATCH /admin/clients/{id}",
    "DELETE /admin/clients/{id}",
    "GET /admin/clients/{id}/secrets",
    "POST /admin/clients/{id}/secrets",
    "DELETE /admin/clients/{id}/secrets/{secret}",
    "GET /admin/resources/{id}",
    "PATCH /admin/resources/{id}",
    "DELETE /admin/resources/{id}",
    "POST /admin/outbox/{id}/retry",
    "DELETE /admin/outbox/{id}",
    "PATCH /admin/roles/{name}",
    "DELETE /admin/roles/{name}",
    "GET /admin/users/{id}/grants",
    "DELETE /admin/users/{id}/grants/{client_id}",
    "GET /admin/users/{id}/roles",
    "POST /admin/users/{id}/roles",
    "PATCH /admin/users/{id}/roles/{name}",
    "DELETE /admin/users/{id}/roles/{name}",
    "GET /admin/users/{id}/why",
    "POST /me/api-keys",
    "PATCH /me/api-keys/{id}",
    "DELETE /me/api-keys/{id}",
    "GET /revocations/stream",  # it would not end
    "GET /admin/events/stream",  # nor would it
    "POST /refresh",
    "POST /register",
    "POST /login",
    "POST /login/passkey/verify",
    "POST /login/mfa",
    "POST /login/mfa/options",
    "POST /me/reauthenticate",
    "POST /me/factors/passkeys",
    "POST /me/factors/totp/{id}/confirm",
    "POST /me/factors/recovery-codes",
    "PATCH /me/factors/{id}",
    "DELETE /me/factors/{id}",
    "DELETE /me/sessions/{id}",
    "DELETE /me/grants/{client_id}",
    "POST /me/password",
    "POST /me/email/confirm",
    "POST /verify-email/confirm",
    "POST /recover/confirm",
}


@pytest.mark.slow
@pytest.mark.parametrize("caller", ["stranger", "admin"])
async def test_38_the_whole_schema_holds_against_generated_requests(
    world: World, caller: str
) -> None:
    await world.make_user()

    outcome = await fuzz(world, as_admin=caller == "admin", examples=6)

    assert outcome.failures == []
    assert max(status for _, status in outcome.answers) < 500
    assert min(outcome.checks.values()) > 500
    assert len(outcome.checks) == 14
    operations = {
        f"{method.upper()} {path}"
        for path, methods in world.app.openapi()["paths"].items()
        for method in methods
    }
    if caller == "stranger":
        assert outcome.succeeded() <= OF_STRANGERS
    else:
        assert operations - outcome.succeeded() <= BEYOND_CHANCE
