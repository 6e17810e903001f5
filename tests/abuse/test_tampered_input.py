"""Lines 29 to 33 of the abuse list: cursors, limits, JSON, sockets and line breaks of strangers."""

import gc
import json
import re
import time
import tracemalloc
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from tests.fixtures.asgi import call_raw
from tests.fixtures.logs import captured_log
from tests.fixtures.world import PASSWORD, SignedIn, World
from tests.serving.conftest import Service, Start, closes_within, start  # noqa: F401 - a fixture

from keyfob.settings import Settings

SOMEBODY = "01a20320-a200-7eb9-b2c7-7bf922b4dd2d"
JSON = (b"content-type", b"application/json")


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
        ("DELETE", "/me/grants/{}"),
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
    async def assert_all_is_refused() -> None:
        for body in hostile_json():
            answer = await call_raw(world, "POST", path, headers=[JSON], pieces=[body])
            assert answer.status in {400, 413, 422}, body[:40]
            assert len(answer.body) < 2_000

    await assert_all_is_refused()  # what is made once is made
    gc.collect()
    tracemalloc.start()
    try:
        await assert_all_is_refused()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(3):
            await assert_all_is_refused()
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
            f"/admin/logins?limit=1&x={quote(broken)}Set-Cookie:", headers=admin.headers
        )
        assert answer.status_code == 200
    await world.log_in()
    answer = await world.api.get("/admin/logins?limit=1&x=%0d%0aY:z", headers=admin.headers)
    assert re.fullmatch(r'<[\x21-\x7e]+>; rel="next"', answer.headers["link"])
    assert "y" not in answer.headers
