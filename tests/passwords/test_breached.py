import hashlib
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import pytest_asyncio
import structlog

from keyfob.passwords.breached import BreachedPasswords
from keyfob.passwords.errors import WeakPassword
from keyfob.passwords.policy import PasswordPolicy

KNOWN, PADDED, UNKNOWN = "known from a breach", "only padding", "never seen before"


def sha1(password: str) -> str:
    return hashlib.sha1(password.encode()).hexdigest().upper()


@dataclass
class RangeService:
    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stalled: threading.Event | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def service() -> Iterator[RangeService]:
    service = RangeService(
        body=f"{'0' * 35}:7\r\n{sha1(KNOWN)[5:].lower()}:42\r\n{sha1(PADDED)[5:]}:0\r\n".encode()
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.asked.append((self.path, self.headers["Add-Padding"]))
            if service.stalled:
                service.stalled.wait(30)
            self.send_response(service.status)
            for name, value in service.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(service.body)))
            self.end_headers()
            self.wfile.write(service.body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        service.url = f"http://127.0.0.1:{server.server_port}/range/"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield service
        if service.stalled:
            service.stalled.set()
        server.shutdown()
        thread.join()


@pytest_asyncio.fixture
async def passwords(service: RangeService) -> AsyncIterator[BreachedPasswords]:
    passwords = BreachedPasswords(service.url)
    yield passwords
    await passwords.close()


async def test_a_breached_password_is_found_by_five_digits_of_its_digest(service, passwords):
    assert await passwords.contains(KNOWN)

    assert service.asked == [(f"/range/{sha1(KNOWN)[:5]}", "true")]


@pytest.mark.parametrize("password", [PADDED, UNKNOWN, "\ud800 lone surrogate"])
async def test_other_passwords_are_not_found(passwords, password):
    assert not await passwords.contains(password)


async def test_the_policy_refuses_a_breached_password(passwords):
    policy = PasswordPolicy(passwords)

    with pytest.raises(WeakPassword) as refusal:
        await policy.ensure_acceptable(KNOWN, "ada@example.com")

    assert refusal.value.extra == {"reason": "breached"}
    await policy.ensure_acceptable(UNKNOWN, "ada@example.com")


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (500, {}, b""),
        (302, {"Location": "/elsewhere"}, b""),
        (200, {}, b"0" * (1024 * 1024 + 1)),
    ],
    ids=["fails", "redirects", "answers without end"],
)
async def test_a_service_out_of_order_stops_nobody(service, passwords, status, headers, body):
    service.status, service.headers, service.body = status, headers, body

    with structlog.testing.capture_logs() as logs:
        assert not await passwords.contains(KNOWN)

    assert [path for path, _ in service.asked] == [f"/range/{sha1(KNOWN)[:5]}"]
    assert [entry["event"] for entry in logs] == ["breached_passwords_unavailable"]
    assert KNOWN not in str(logs)
    assert sha1(KNOWN)[:5] not in str(logs)


async def test_a_slow_service_stops_nobody(service):
    passwords = BreachedPasswords(service.url, timeout=0.05)
    service.stalled = threading.Event()

    with structlog.testing.capture_logs() as logs:
        assert not await passwords.contains(KNOWN)

    assert [entry["log_level"] for entry in logs] == ["warning"]
    await passwords.close()


async def test_a_service_that_is_not_there_stops_nobody():
    passwords = BreachedPasswords("http://127.0.0.1:1/range/")

    with structlog.testing.capture_logs() as logs:
        assert not await passwords.contains(KNOWN)

    assert len(logs) == 1
    await passwords.close()


async def test_closing_one_that_was_never_asked_is_no_failure():
    await BreachedPasswords("http://127.0.0.1:1/").close()
