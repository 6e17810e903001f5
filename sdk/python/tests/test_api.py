"""The client of Keyfob's own API, against a server that goes wrong as a test likes."""

import asyncio
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.issuer import Answer, Issuer, as_json

from keyfob_client.api import (
    ApiError,
    AsyncKeyfob,
    FileStore,
    InvalidInput,
    Keyfob,
    MemoryStore,
    MfaRequired,
    NotFound,
    NotReached,
    RecentSignInNeeded,
    SignedOut,
    TooManyRequests,
)
from keyfob_client.api.flow import Call, Manners, Pause

SOURCE = str(Path(__file__).parents[1] / "src")
QUICK = Manners(spread=lambda: 0.0)


class Server:
    """Refresh tokens are numbers in order: one that was used gives its successor again."""

    def __init__(self, issuer: Issuer) -> None:
        self.url = issuer.url
        self.issued = 0
        self.refreshes: list[str] = []
        self.calls: list[tuple[str, str | None]] = []
        self.instead: list[Answer | None] = []  # what is answered before the truth; None: nothing
        routes = {"/auth/login": self._sign_in, "/auth/refresh": self._refresh}
        issuer.routes |= routes | dict.fromkeys(
            ("/auth/me", "/auth/admin/users", "/auth/moved"), self._call
        )

    def tokens(self, number: int) -> Answer:
        self.issued = max(self.issued, number)
        return as_json(
            {
                "access_token": f"access-{number}",
                "refresh_token": f"refresh-{number}",
                "expires_in": 300,
                "session_id": "session",
            }
        )

    def _body(self, request: BaseHTTPRequestHandler) -> Any:
        return json.loads(request.rfile.read(int(request.headers.get("Content-Length", 0))))

    def _sign_in(self, request: BaseHTTPRequestHandler) -> Answer | None:
        self._body(request)
        return self.instead.pop(0) if self.instead else self.tokens(self.issued + 1)

    def _refresh(self, request: BaseHTTPRequestHandler) -> Answer | None:
        token = self._body(request)["token"]
        self.refreshes.append(token)
        if self.instead:
            return self.instead.pop(0)
        return self.tokens(int(token.partition("-")[2]) + 1)

    def _call(self, request: BaseHTTPRequestHandler) -> Answer | None:
        token = request.headers["Authorization"]
        self.calls.append((request.path, token))
        if self.instead:
            return self.instead.pop(0)
        if token != f"Bearer access-{self.issued}":
            return problem(401, "invalid_token")
        if "/admin/users" not in request.path:
            return as_json({"email": "ada@example.com"})
        if "cursor" in request.path:
            return as_json([{"id": "3"}])
        status, headers, body = as_json([{"id": "1"}, {"id": "2"}])
        # An address elsewhere: only its query is to be taken.
        link = '<https://elsewhere.example/admin/users?limit=2&cursor=a%2Fb>; rel="next"'
        return status, {**headers, "Link": link}, body


def problem(status: int, code: str, *, retry_after: str | None = None, **more: Any) -> Answer:
    _, headers, body = as_json({"status": status, "code": code, "title": "No", **more})
    return status, headers | ({"Retry-After": retry_after} if retry_after else {}), body


@pytest.fixture
def server(issuer: Issuer) -> Server:
    return Server(issuer)


@pytest.fixture
def keyfob_api(server: Server) -> Iterator[Keyfob]:
    with Keyfob(server.url, manners=QUICK) as client:
        client.sign_in("ada@example.com", "her password")
        yield client


def test_a_token_that_is_refused_is_renewed_once(server: Server, keyfob_api: Keyfob) -> None:
    server.issued = 7

    with pytest.raises(SignedOut):
        keyfob_api.me()
    server.issued = 2

    assert server.refreshes == ["refresh-1"]
    assert keyfob_api.me() == {"email": "ada@example.com"}


def test_tokens_are_renewed_before_they_expire(server: Server, clock: Any) -> None:
    with Keyfob(server.url, manners=Manners(clock=clock)) as client:
        client.sign_in("ada@example.com", "her password")
        clock.ahead = 239
        client.me()
        clock.ahead = 241
        client.me()

    assert server.refreshes == ["refresh-1"]
    assert [token for _, token in server.calls] == ["Bearer access-1", "Bearer access-2"]


def test_threads_refresh_once(server: Server, keyfob_api: Keyfob) -> None:
    server.issued = 2  # elsewhere: all of them are refused

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: keyfob_api.me()["email"], range(8)))

    assert found == ["ada@example.com"] * 8
    assert server.refreshes == ["refresh-1"]


async def test_tasks_refresh_once(server: Server) -> None:
    async with AsyncKeyfob(server.url, manners=QUICK) as client:
        await client.sign_in("ada@example.com", "her password")
        server.issued = 2
        found = await asyncio.gather(*(client.me() for _ in range(8)))

    assert [one["email"] for one in found] == ["ada@example.com"] * 8
    assert server.refreshes == ["refresh-1"]


async def test_a_refresh_goes_on_without_the_task_that_began_it(
    server: Server, issuer: Issuer
) -> None:
    begun, may_answer = asyncio.Event(), threading.Event()
    refresh, loop = issuer.routes["/auth/refresh"], asyncio.get_running_loop()

    def refresh_slowly(request: BaseHTTPRequestHandler) -> Answer | None:
        loop.call_soon_threadsafe(begun.set)
        may_answer.wait(30)
        return refresh(request)

    store = MemoryStore()
    async with AsyncKeyfob(server.url, store=store, manners=QUICK) as client:
        await client.sign_in("ada@example.com", "her password")
        server.issued = 2  # elsewhere: the token is refused
        issuer.routes["/auth/refresh"] = refresh_slowly
        first = asyncio.create_task(client.me())
        await begun.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        may_answer.set()

    held = store.load()  # closing has waited for it
    assert held is not None
    assert (held.access_token, server.refreshes) == ("access-2", ["refresh-1"])


def test_processes_refresh_once(server: Server, tmp_path: Path) -> None:
    store = FileStore(tmp_path / "tokens.json")
    with Keyfob(server.url, store=store) as client:
        client.sign_in("ada@example.com", "her password")
        server.issued = 2
        program = (
            "import sys; from keyfob_client.api import FileStore, Keyfob;"
            "print(Keyfob(sys.argv[1], store=FileStore(sys.argv[2])).me()['email'])"
        )
        command = [sys.executable, "-c", program, server.url, str(tmp_path / "tokens.json")]
        environment = {**os.environ, "PYTHONPATH": SOURCE}
        running = [
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        said = [one.communicate(timeout=50)[0] for one in running]

        assert said == ["ada@example.com\n"] * 2
        assert server.refreshes == ["refresh-1"]
        assert client.access_token() == "access-2"
    assert stat.S_IMODE((tmp_path / "tokens.json").stat().st_mode) == 0o600


def test_a_lost_reply_of_a_refresh_is_asked_for_again(server: Server, keyfob_api: Keyfob) -> None:
    server.issued = 2
    server.instead = [problem(401, "invalid_token"), None]

    assert keyfob_api.me() == {"email": "ada@example.com"}
    assert server.refreshes == ["refresh-1", "refresh-1"]


def test_a_lost_reply_of_another_change_is_not_repeated(server: Server, keyfob_api: Keyfob) -> None:
    server.instead = [None, None]

    with pytest.raises(NotReached) as lost:
        keyfob_api.sign_in("ada@example.com", "her password")

    assert len(server.instead) == 1
    assert "password" not in str(lost.value)
    server.instead = [None]
    assert keyfob_api.me() == {"email": "ada@example.com"}  # reading is


@pytest.mark.parametrize(("status", "code"), [(503, "overloaded"), (429, "too_many_requests")])
def test_what_is_to_be_tried_later_is(
    server: Server, keyfob_api: Keyfob, status: int, code: str
) -> None:
    server.instead = [problem(status, code, retry_after="0")] * 3

    assert keyfob_api.me() == {"email": "ada@example.com"}
    assert len(server.calls) == 4


def test_it_waits_as_long_as_it_is_told_and_no_longer_than_it_may(server: Server) -> None:
    with Keyfob(server.url) as client:
        server.instead = [problem(429, "too_many_requests", retry_after="31")]
        with pytest.raises(TooManyRequests) as refused:
            client.sign_in("ada@example.com", "her password")

    assert refused.value.retry_after == 31.0
    # The pauses themselves, without waiting for them:
    flow = client.send(Call("GET", "/me"))
    next(flow)
    pauses = []
    for _ in range(3):
        step = flow.send(httpx.Response(503, headers={"Retry-After": "5"}))
        assert isinstance(step, Pause)
        pauses.append(step.seconds)
        next(flow)
    assert all(5.0 <= pause <= 5.0 + 2.0 * 2**number for number, pause in enumerate(pauses))
    assert len(set(pauses)) == 3


def test_a_session_that_has_ended_is_forgotten(server: Server, keyfob_api: Keyfob) -> None:
    server.instead = [problem(401, "invalid_token"), problem(401, "invalid_refresh_token")]

    with pytest.raises(SignedOut) as ended:
        keyfob_api.me()

    assert ended.value.code == "invalid_refresh_token"
    with pytest.raises(SignedOut, match="signed_out"):
        keyfob_api.me()


def test_refusals_say_what_the_problem_says(server: Server, keyfob_api: Keyfob) -> None:
    wrong = [{"pointer": "/name", "detail": "too long"}]
    cases: list[tuple[Answer, type[ApiError]]] = [
        (problem(422, "invalid_input", errors=wrong), InvalidInput),
        (problem(404, "user_not_found"), NotFound),
        (problem(401, "insufficient_user_authentication", max_age=300), RecentSignInNeeded),
    ]
    for answer, kind in cases:
        server.instead = [answer]
        with pytest.raises(kind) as refused:
            keyfob_api.me()
        if kind is InvalidInput:
            assert refused.value.errors == wrong
    server.instead = [problem(401, "mfa_required", mfa_token="m", factors=[{"type": "totp"}])]
    with pytest.raises(MfaRequired) as needed:
        keyfob_api.sign_in("ada@example.com", "her password")

    assert (needed.value.mfa_token, needed.value.factors) == ("m", [{"type": "totp"}])


def test_redirects_are_never_followed(server: Server, keyfob_api: Keyfob) -> None:
    server.instead = [(307, {"Location": f"{server.url}/moved"}, b"")]

    with pytest.raises(ApiError, match="status_307"):
        keyfob_api.me()

    assert [path for path, _ in server.calls] == ["/auth/me"]


def test_pages_are_read_as_they_are_needed_and_from_keyfob_alone(
    server: Server, keyfob_api: Keyfob
) -> None:
    users = keyfob_api.users(limit=2, role="user")
    assert [next(users)["id"], next(users)["id"]] == ["1", "2"]
    assert len(server.calls) == 1

    assert [user["id"] for user in users] == ["3"]
    assert server.calls[1][0] == "/auth/admin/users?limit=2&cursor=a%2Fb"


async def test_pages_are_read_by_asyncio_likewise(server: Server) -> None:
    async with AsyncKeyfob(server.url) as client:
        await client.sign_in("ada@example.com", "her password")
        assert [user["id"] async for user in client.users()] == ["1", "2", "3"]


def test_an_api_key_is_presented_as_it_is(server: Server) -> None:
    with Keyfob(server.url, api_key="kfk_key") as client, pytest.raises(SignedOut):
        client.me()

    assert server.calls == [("/auth/me", "Bearer kfk_key")]


def test_http_is_for_this_machine_alone() -> None:
    with pytest.raises(ValueError, match="https"):
        Keyfob("http://auth.example.com/auth")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"access_token": 1', "null"])
def test_a_file_of_something_else_is_no_session(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokens").write_text(text)

    assert FileStore(tmp_path / "tokens").load() is None


def test_an_id_stays_within_its_place(keyfob_api: Keyfob, server: Server) -> None:
    with pytest.raises(NotFound):
        keyfob_api.user("../users")
    with pytest.raises(ValueError, match="id"):
        keyfob_api.user("..")

    assert server.calls == []


def test_tokens_are_not_shown(keyfob_api: Keyfob) -> None:
    assert "access-1" not in repr(keyfob_api.store.load())
    assert "secret" not in repr(Call("POST", "/login", {"password": "a secret"}, token="a secret"))
