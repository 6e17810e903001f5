"""Lines 29 to 38 of the abuse list: what comes in is data, and what goes out tells nothing."""

import gc
import json
import re
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import prometheus_client
import pytest
from tests.cli.serving.conftest import Service, Start, closes_within, start  # noqa: F401 - a fixture
from tests.fixtures.asgi import call_raw
from tests.fixtures.clock import MovableClock
from tests.fixtures.fuzzing import fuzz
from tests.fixtures.logs import Log, captured_log
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.settings import Settings
from keyfob.users.profiles import Profiles

SOMEBODY = "01a20320-a200-7eb9-b2c7-7bf922b4dd2d"
JSON = (b"content-type", b"application/json")


@pytest.fixture
async def admin(world: World) -> SignedIn:
    return await world.make_admin()


# 29


async def test_29_a_tampered_cursor_is_refused(world: World, admin: SignedIn) -> None:
    for number in range(4):
        await world.make_user(f"user{number}@example.com")
        await world.log_in(f"user{number}@example.com")
    lists = ["/admin/users?limit=2", "/admin/logins?limit=2", "/admin/audit?limit=2"]
    cursors = {}
    for path in lists:
        page = await world.api.get(path, headers=admin.headers)
        cursors[path] = httpx.URL(page.links["next"]["url"]).params["cursor"]

    for path, cursor in cursors.items():
        good = await world.api.get(f"{path}&cursor={cursor}", headers=admin.headers)
        assert good.status_code == 200
        changed = [cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
                   for at in range(0, len(cursor) - 1, 3)]  # fmt: skip
        foreign = [other for where, other in cursors.items() if where != path]
        made_up = ["x", "....", "A" * 64, cursor[:-3], cursor + "AAAA", cursor * 2, "null", "[]"]
        for bad in [*changed, *foreign, *made_up]:
            answer = await world.api.get(f"{path}&cursor={quote(bad)}", headers=admin.headers)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor"), bad

    # A cursor is good for its own order alone.
    path = f"/admin/users?limit=2&sort=email&cursor={cursors['/admin/users?limit=2']}"
    assert (await world.api.get(path, headers=admin.headers)).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "sort=name",
        "sort=password_hash",
        "sort=created_at desc",
        "sort=email;drop table users",
        "sort=--email",
        "sort=",
        "role=root",
        "role=user'--",
        "status=deleted",
        "online=maybe",
        "online=2",
        "search=%00",
        "search=a%0ab",
        "cursor=%00",
        "limit=ten",
        "limit=1e3",
        "limit=",
        "limit=0x10",
    ],
)
async def test_29_a_tampered_sort_or_filter_of_users_is_refused(
    world: World, admin: SignedIn, query: str
) -> None:
    answer = await world.api.get(f"/admin/users?{query}", headers=admin.headers)

    assert answer.status_code in {400, 422}


@pytest.mark.parametrize(
    "query",
    [
        "outcome=won",
        "ip_address=999.1.1.1",
        "ip_address=1.2.3.4/33",
        "ip_address=1.2.3.4/8",
        "ip_address=::1%25eth0",
        "ip_address=' OR 1=1",
        "since=yesterday",
        "since=0.5",
        "since=2026-01-01T00:00:00",
        "since=99999-01-01T00:00:00Z",
        "since=0001-01-01T00:00:00%2B14:00",
        "until=9999-12-31T23:59:59-14:00",
        "until=infinity",
        "until=1e400",
        "cursor=AAAA",
    ],
)
async def test_29_a_tampered_filter_of_a_log_is_refused(
    world: World, admin: SignedIn, query: str
) -> None:
    paths = ["/admin/logins", f"/admin/users/{SOMEBODY}/logins"]
    if query.startswith(("since", "until", "cursor")):
        paths = ["/admin/logins", "/admin/audit"]
    for path in paths:
        answer = await world.api.get(f"{path}?{query}", headers=admin.headers)
        assert answer.status_code in ({400, 404, 422} if "users" in path else {400, 422}), path


@pytest.mark.parametrize(
    "given", ["1", "null", "../me", "%00", "a" * 4000, "' OR '1'='1", SOMEBODY[:-1], SOMEBODY + "0"]
)
async def test_29_a_tampered_id_is_refused(world: World, admin: SignedIn, given: str) -> None:
    for method, path in [
        ("GET", "/admin/users/{}"),
        ("PUT", "/admin/users/{}"),
        ("PATCH", "/admin/users/{}"),
        ("DELETE", "/admin/users/{}"),
        ("DELETE", "/admin/users/{}/logout-all"),
        ("GET", "/admin/users/{}/logins"),
        ("DELETE", "/me/sessions/{}"),
    ]:
        body = {"name": "x"} if method in {"PUT", "PATCH"} else None
        answer = await world.api.request(
            method, path.format(quote(given, safe="")), json=body, headers=admin.headers
        )
        assert answer.status_code in {404, 405, 422}, (method, path)

    assert (await world.me(admin)).status_code == 200


# 30


@pytest.mark.parametrize(
    "path", ["/admin/users", "/admin/logins", "/admin/audit", f"/admin/users/{SOMEBODY}/logins",
             "/me/logins"]
)  # fmt: skip
async def test_30_limits_of_a_billion_or_below_zero_are_refused(
    world: World, admin: SignedIn, path: str
) -> None:
    for limit in (10**9, 1001, 0, -1, -(10**9), 2**63, 2**64, 10**400):
        answer = await world.api.get(f"{path}?limit={limit}", headers=admin.headers)
        assert answer.status_code == 422, limit
    answer = await world.api.get(f"{path}?limit=1000", headers=admin.headers)
    assert answer.status_code == (404 if SOMEBODY in path else 200)


async def test_30_skips_of_a_billion_or_below_zero_are_refused(
    world: World, admin: SignedIn
) -> None:
    for skip in (10**9, 100_001, -1, 2**63, 10**400):
        answer = await world.api.get(f"/admin/users?skip={skip}", headers=admin.headers)
        assert answer.status_code == 422, skip


# 31


def hostile_json() -> Iterator[bytes]:
    """Yield bodies that would cost a careless parser its stack or its memory."""
    yield b"[" * 65_000
    yield b'{"a":' * 13_000
    yield b"[" * 30_000 + b"]" * 30_000
    yield b'{"token":' + b'{"x":' * 5_000 + b"1" + b"}" * 5_001
    yield b"{" + b",".join(b'"k%d":1' % number for number in range(6_000)) + b"}"
    yield b'{"token": "x", "token": "y"}'
    yield b'{"token": "' + b"x" * 65_000 + b'"}'
    yield b'{"token": "' + b"\\u0041" * 10_000 + b'"}'
    yield b'{"token": ' + b"9" * 60_000 + b"}"
    yield b'{"token": 1' + b"0" * 4_000 + b"e999999}"
    yield b'{"token": "x"' + b" " * 60_000


@pytest.mark.parametrize("path", ["/refresh", "/login", "/register"])
async def test_31_hostile_json_is_refused_and_leaves_memory_flat(world: World, path: str) -> None:
    async def send_all() -> None:
        for body in hostile_json():
            answer = await call_raw(world, "POST", path, headers=[JSON], pieces=[body])
            assert answer.status in {400, 413, 422}, body[:40]
            assert len(answer.body) < 2_000

    await send_all()  # what is made once is made
    gc.collect()
    tracemalloc.start()
    try:
        await send_all()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(3):
            await send_all()
        gc.collect()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after - before < 200_000
    assert peak < 10_000_000


# 32


def test_32_slow_and_oversized_clients_are_closed_while_others_are_served(start: Start) -> None:  # noqa: F811 - the fixture
    service: Service = start(request_timeout=1)
    slow = [service.connect() for _ in range(50)]
    opened = [one.__enter__() for one in slow]
    try:
        for connection in opened:
            connection.sendall(b"POST /refresh HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
        assert service.ask()["path"] == "/"
        huge = b"GET / HTTP/1.1\r\nHost: a\r\nX-Huge: " + b"x" * 100_000 + b"\r\n\r\n"
        assert service.say(huge).startswith(b"HTTP/1.1 431 ")
        began = time.monotonic()
        assert all(b" 408 " in closes_within(connection, 10) for connection in opened)
        assert time.monotonic() - began < 10
        assert service.ask()["path"] == "/"
    finally:
        for one in slow:
            one.__exit__(None, None, None)


def test_32_a_request_has_ten_seconds_to_arrive_unless_set() -> None:
    assert Settings.model_fields["request_timeout"].default == 10


# 33

BREAKS = ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x1b[2K\x1b[1A"]


@pytest.mark.parametrize("style", ["json", "console"])
async def test_33_a_line_break_in_a_user_agent_starts_no_line(world: World, style: str) -> None:
    await world.make_user()
    forged = '{"event": "forged"} forged_line'
    with captured_log(style=style) as log:
        for number, broken in enumerate(BREAKS):
            agent = f"Mozilla/5.0{broken}{forged}".encode()
            body = json.dumps({"email": "ada@example.com", "password": PASSWORD}).encode()
            answer = await call_raw(
                world,
                "POST",
                "/login",
                headers=[JSON, (b"user-agent", agent), (b"x-request-id", agent)],
                pieces=[body],
            )
            assert answer.status == 200
            assert not any(b"\n" in value or b"\r" in value for _, value in answer.headers)
            assert len([line for line in log.lines if "request" in line]) == number + 1

    assert "forged" not in log.getvalue()


@pytest.mark.parametrize("style", ["json", "console"])
async def test_33_a_line_break_in_a_path_starts_no_line(world: World, style: str) -> None:
    with captured_log(style=style) as log:
        for number, broken in enumerate(BREAKS):
            answer = await call_raw(world, "GET", f"/x{broken}forged_line")
            assert answer.status == 404
            assert len(log.lines) == number + 1
            assert broken not in log.lines[-1]


async def test_33_a_line_break_in_a_name_is_refused_and_splits_no_header(
    world: World, admin: SignedIn
) -> None:
    user_id = await world.make_user()
    for broken in BREAKS:
        name = f"Ada{broken}Set-Cookie: a=b"
        calls = [
            ("POST", "/register", {"email": "n@example.com", "password": PASSWORD, "name": name}),
            ("PATCH", f"/admin/users/{user_id}", {"name": name}),
            ("PUT", f"/admin/users/{user_id}", {"name": name}),
        ]
        for method, path, body in calls:
            answer = await world.api.request(method, path, json=body, headers=admin.headers)
            assert answer.status_code == 422, (method, repr(broken))
            assert "set-cookie" not in answer.headers

        # What is given back in a header is written anew.
        answer = await world.api.get(
            f"/admin/users?limit=1&role=admin&x={quote(broken)}Set-Cookie:", headers=admin.headers
        )
        assert answer.status_code == 200
    await world.make_user("b@example.com", name="Link")
    answer = await world.api.get("/admin/users?limit=1&x=%0d%0aY:z", headers=admin.headers)
    assert re.fullmatch(r'<[\x21-\x7e]+>; rel="next"', answer.headers["link"])
    assert "y" not in answer.headers


# 34

SECRET = "Tr0ub4dor-planted-password"
COOKIE = "planted-cookie-value-1234567890"
EMAIL = "planted.person@planted.example"


@pytest.fixture
def log() -> Iterator[Log]:
    with captured_log() as log:
        yield log


async def dumped(world: World) -> dict[str, str]:
    """Return every table as text, as a leaked dump would hold it."""
    tables = await world.db.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    found = {}
    for row in tables:
        table = row["tablename"]
        rows = await world.db.fetch(f'SELECT t::text AS text FROM "{table}" AS t')
        found[table] = "\n".join(one["text"] for one in rows)
    return found


def planted_bodies(tokens: list[str]) -> Iterator[Any]:
    """Yield bodies with secrets in right places, in wrong ones and of wrong types."""
    yield {"email": EMAIL, "password": SECRET}
    yield {"email": EMAIL, "password": [SECRET]}
    yield {"email": SECRET, "password": EMAIL}
    yield {"email": [EMAIL], "password": {"value": SECRET}, "name": SECRET}
    yield {"email": EMAIL, "password": SECRET, "name": EMAIL, "role": SECRET}
    yield {SECRET: SECRET, "password": SECRET, EMAIL: 1}
    yield {"role": SECRET, "status": SECRET, "name": [SECRET], "email": SECRET}
    yield [SECRET]
    yield SECRET
    for token in tokens:
        yield {"token": token + "x"}
        yield {"token": [token]}
        yield {"token": SECRET, "refresh_token": token}
        yield {"email": token, "password": token}
        yield {token: token}


async def plant_everywhere(world: World, callers: list[dict[str, str]], tokens: list[str]) -> Any:
    """Send secrets in every place of every kind of request; yield the answers."""
    leaky = {
        "Cookie": f"session={COOKIE}",
        "User-Agent": f"Mozilla/5.0 {SECRET} {EMAIL} {tokens[0]}",
        "Referer": f"https://planted.example/?password={SECRET}&token={tokens[0]}",
        "X-Api-Key": SECRET,
        "X-Request-ID": SECRET,
        "X-Forwarded-For": SECRET,
    }
    calls = [
        (method, path)
        for path, operations in world.app.openapi()["paths"].items()
        for method in operations
        if (method, path) not in {("delete", "/logout-all"), ("delete", "/logout")}
    ]
    for method, path in calls:
        for caller in callers:
            headers = {**leaky, **caller}
            url = path.format(id=SOMEBODY)
            if method in {"post", "put", "patch"}:
                for body in planted_bodies(tokens):
                    yield await world.api.request(method, url, json=body, headers=headers)
                yield await world.api.request(method, url, content=SECRET, headers=headers)
            for query in (
                f"password={SECRET}&email={EMAIL}",
                f"token={tokens[0]}",
                f"x={tokens[1]}",
                f"search={SECRET}&limit={SECRET}&cursor={SECRET}&since={SECRET}&action={SECRET}",
            ):
                yield await world.api.request(method, f"{url}?{query}", headers=headers)
    for token in tokens:
        for path in (f"/{token}", f"/me/sessions/{token}", f"/{EMAIL}"):
            yield await world.api.get(path, headers=leaky)


async def test_34_planted_secrets_are_in_no_log_dump_error_or_metric(
    log: Log, world: World, settings: Settings
) -> None:
    await world.make_user()
    user, admin = await world.log_in(), await world.make_admin()
    tokens = [user.access, user.refresh]
    callers = [
        {},
        user.headers,
        admin.headers,
        {"Authorization": f"Basic {SECRET}"},
        {"Authorization": f"Bearer {SECRET}"},
        {"Authorization": f"Bearer {user.access}tampered"},
    ]
    secrets = [SECRET, COOKIE, *tokens, tokens[0].split(".")[2], tokens[1][-40:]]
    assert settings.secret_key
    secrets.append(settings.secret_key.get_secret_value())

    statuses = set()
    async for answer in plant_everywhere(world, callers, tokens):
        statuses.add(answer.status_code)
        if answer.status_code >= 400:
            told = f"{answer.text} {answer.headers}"
            assert not [secret for secret in [*secrets, EMAIL] if secret in told]
    await world.refresh(user.refresh)
    await world.attempt_login(f"nobody.{EMAIL}", SECRET)
    assert {200, 201, 400, 401, 403, 404, 409, 415, 422} <= statuses

    assert len(log.events) > 500
    assert not [secret for secret in [*secrets, EMAIL] if secret in log.getvalue()]

    metrics = prometheus_client.generate_latest().decode()
    assert "keyfob_request_seconds" in metrics
    assert not [secret for secret in [*secrets, EMAIL, SOMEBODY] if secret in metrics]

    dump = await dumped(world)
    assert "n***@planted.example" in dump["login_events"]
    for table, text in dump.items():
        assert not [secret for secret in secrets if secret in text], table
        # Whose account it is, is told by the account alone.
        assert table == "users" or EMAIL not in text, table
    assert EMAIL in dump["users"]


@pytest.mark.parametrize("style", ["json", "console"])
async def test_34_an_unexpected_fault_logs_no_secret(
    world: World, monkeypatch: pytest.MonkeyPatch, style: str
) -> None:
    await world.make_user()
    user = await world.log_in()

    async def fail(*_: object, **__: object) -> None:
        held = {"password": SECRET, "cookie": COOKIE}  # what a traceback with locals would show
        raise RuntimeError(f"{EMAIL} {user.access} {len(held)}")

    monkeypatch.setattr(Profiles, "body_of", fail)
    monkeypatch.setattr("keyfob.users.queries.find_credentials", fail)
    with captured_log(style=style) as log:
        answers = [
            await world.me(user),
            await world.attempt_login(EMAIL, SECRET),
        ]

    assert [answer.status_code for answer in answers] == [500, 500]
    said = log.getvalue()
    assert said.count("RuntimeError: ") == 2
    for secret in (SECRET, COOKIE, EMAIL, user.access, user.access.split(".")[2]):
        assert secret not in said
        assert all(secret not in answer.text for answer in answers)


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
                    path.format(id=SOMEBODY),
                    headers={
                        **admin.headers,
                        "Origin": origin,
                        "Access-Control-Request-Method": "DELETE",
                        "Access-Control-Request-Headers": "authorization, content-type",
                        "Access-Control-Request-Private-Network": "true",
                    },
                )
                allowed = [name for name in answer.headers if name.startswith("access-control")]
                if path.startswith("/.well-known/"):
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
