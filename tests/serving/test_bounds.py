import contextlib
import json
import re
import select
import socket
import struct

import pytest
from tests.serving.conftest import Service, Start, closes_within, read_answer, wait_until

from keyfob.core.http.edge import CSP, NO_STORE, REFERRER, always_sent

pytestmark = pytest.mark.slow

CLOSE = b"Host: a\r\nConnection: close\r\n\r\n"


def test_keep_alive_serves_one_request_after_another(service: Service) -> None:
    with service.connect() as connection:
        for _ in range(20):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = read_answer(connection)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"connection: close" not in answer


def test_a_head_leaves_with_its_body(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert json.loads(connection.recv(65536).partition(b"\r\n\r\n")[2])["path"] == "/"


def test_a_head_does_not_wait_for_a_late_body(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(65536).endswith(b"\r\n\r\n")
        service.ask("/release")
        assert connection.recv(65536) == b"late"


def test_a_client_that_resets_its_connection_leaves_no_error(start: Start) -> None:
    service = start()
    for _ in range(1000):
        with service.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
    service.ask("/release")
    assert [line for line in service.log if line["level"] == "error"] == []


def test_no_banner_and_a_date(service: Service) -> None:
    head = service.say(b"GET / HTTP/1.1\r\n" + CLOSE).lower()

    assert b"\r\nserver:" not in head
    assert b"\r\ndate:" in head


def test_pipelined_requests_are_answered_in_order(service: Service) -> None:
    raw = b"".join(b"GET /slow/%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(10))
    said = service.say(raw + b"GET /last HTTP/1.1\r\n" + CLOSE)

    places = [said.index(b'"/slow/%d"' % n) for n in range(10)] + [said.index(b'"/last"')]
    assert places == sorted(places)


def test_a_flood_of_pipelined_requests_is_cut(service: Service) -> None:
    said = service.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 5000)

    assert 1 <= said.count(b"HTTP/1.1 200 ") <= 40
    assert b"HTTP/1.1 400 " not in said


def test_a_broken_request_does_not_take_the_answer_of_an_earlier_one(service: Service) -> None:
    said = service.say(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n\x00broken\r\n\r\n")

    assert _statuses(said) == [200, 400]


def test_a_broken_body_behind_another_request_is_refused_alone(service: Service) -> None:
    said = service.say(
        b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    )

    assert _statuses(said) == [200, 400]


def _statuses(said: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", said)]


def test_expect_continue_is_honoured(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
        assert read_answer(connection) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert b'"body": 3' in read_answer(connection)


@pytest.mark.parametrize(
    "head",
    [
        b"X: " + b"x" * 40_000,
        b"X: " + b"x" * 400_000,
        b"\r\n".join(b"X-%d: %s" % (n, b"x" * 900) for n in range(50)),
        b"\r\n".join(b"X-%d: x" % n for n in range(101)),
    ],
    ids=["one header of 40 KB", "one header of 400 KB", "many of 1 KB", "101 headers"],
)
def test_a_head_over_the_limit_is_refused(service: Service, head: bytes) -> None:
    said = service.say(b"GET / HTTP/1.1\r\n" + head + b"\r\n" + CLOSE)

    assert said.startswith(b"HTTP/1.1 431 ")
    assert json.loads(said.partition(b"\r\n\r\n")[2])["code"] == "head_too_large"


@pytest.mark.parametrize(
    "raw", [b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n" + CLOSE, b"no request\r\n\r\n"]
)
def test_what_is_refused_before_the_application_carries_the_security_headers(
    service: Service, raw: bytes
) -> None:
    head = service.say(raw).partition(b"\r\n\r\n")[0]

    sent = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert {CSP, NO_STORE, REFERRER, *always_sent(hsts="max-age=31536000")} <= set(sent.items())
    assert len(sent) == head.count(b"\r\n")


def test_a_long_request_line_is_refused(service: Service) -> None:
    said = service.say(b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n" + CLOSE)

    assert said.startswith(b"HTTP/1.1 431 ")


def test_a_head_within_the_limit_and_a_large_body_pass(service: Service) -> None:
    headers = {"X": "x" * 30_000}

    assert service.ask(method="POST", body=b"x" * 2_000_000, headers=headers)["body"] == 2_000_000


def test_endless_trailers_are_refused(service: Service) -> None:
    raw = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: "

    assert service.say(raw + b"x" * 600_000).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "begin",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ],
    ids=["headers", "trailers"],
)
def test_more_lines_than_a_head_may_have_are_refused_before_it_ends(
    service: Service, begin: bytes
) -> None:
    said = service.say(begin + b"a:\r\n" * 300)

    assert _statuses(said) == [431]


def test_a_body_of_empty_lines_is_refused(service: Service) -> None:
    """Threat: each takes as long to parse as a request, and a body has room for 16,000."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

    said = service.say(head + b"FFF0\r\n" + b"\r\n" * 32760 + b"\r\n0\r\n\r\n")

    assert _statuses(said) == [413]


def test_trailers_do_not_become_headers(service: Service) -> None:
    said = service.say(
        b"POST /slow HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"0\r\nAuthorization: Bearer x\r\n\r\n"
    )

    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"authorization" not in said


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: +3\r\n\r\nabc",
        b"Content-Length : 3\r\n\r\nabc",
        b"A: b\r\n c: d\r\n\r\n",
        b"A: b\x00c\r\n\r\n",
    ],
)
def test_ambiguous_framing_is_refused(service: Service, raw: bytes) -> None:
    said = service.say(b"POST /secret-path HTTP/1.1\r\nHost: a\r\n" + raw)

    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    assert b"connection: close" in head
    problem = json.loads(body)
    assert problem["code"] == "bad_request"
    assert f"x-request-id: {problem['request_id']}".encode() in head
    assert b"secret" not in said


def test_an_upgrade_is_ignored_and_the_next_request_served(service: Service) -> None:
    said = service.say(
        b"GET /first HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
        b"GET /second HTTP/1.1\r\n" + CLOSE
    )

    assert said.index(b'"/first"') < said.index(b'"/second"')


def test_connect_is_no_method_and_trace_is_for_the_application(service: Service) -> None:
    assert service.say(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 405 ")
    assert b'"TRACE"' in service.say(b"TRACE / HTTP/1.1\r\n" + CLOSE)


def test_an_early_refusal_is_seen_by_a_client_that_still_sends(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n")
        assert read_answer(connection).startswith(b"HTTP/1.1 413 ")

        for _ in range(9):
            connection.sendall(b"x" * 100_000)  # raises where the server has hung up
        assert closes_within(connection, 20) == b""


def test_half_open_connections_do_not_keep_others_out(start: Start) -> None:
    service = start(max_connections=8, request_timeout=20)
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(service.connect()).sendall(b"GET / HTTP/1.1\r\n")

        assert service.ask()["path"] == "/"


def test_idle_connections_do_not_keep_others_out(start: Start) -> None:
    service = start(max_connections=8, request_timeout=20)
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(service.connect())
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert read_answer(connection).startswith(b"HTTP/1.1 200 ")


def test_clients_that_read_no_answers_do_not_keep_others_out(start: Start) -> None:
    service = start(max_connections=8, request_timeout=20)
    with contextlib.ExitStack() as stack:
        stalled = []
        for _ in range(8):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", service.port))
            connection.sendall(b"GET /flood HTTP/1.1\r\nHost: a\r\n\r\n")
            connection.recv(1)  # it has begun, so they stall in this order
            stalled.append(connection)

        assert _refusal(service) == b""
        assert _hung_up(stalled) == stalled[:1]  # the one that has stalled longest


def _hung_up(connections: list[socket.socket]) -> list[socket.socket]:
    waiting = select.poll()
    for connection in connections:
        waiting.register(connection, 0)  # errors and hang-ups only: nothing is read
    gone = {number for number, _ in waiting.poll(0)}
    return [connection for connection in connections if connection.fileno() in gone]


def test_a_newcomer_is_not_closed_for_another_while_there_are_idle_ones(start: Start) -> None:
    service = start(max_connections=8, request_timeout=20)
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            idle = stack.enter_context(service.connect())
            idle.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            read_answer(idle)
        newcomers = [stack.enter_context(service.connect()) for _ in range(4)]
        for newcomer in newcomers:
            newcomer.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert read_answer(newcomer).startswith(b"HTTP/1.1 200 ")


def test_with_every_connection_at_work_a_new_one_is_told_to_come_again(start: Start) -> None:
    service = start(max_connections=8, request_timeout=20, shutdown_grace=1)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(service.connect()) for _ in range(7)]
        for connection in connections:
            connection.sendall(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: service.ask("/held") == 7)
        connections.append(stack.enter_context(service.connect()))
        connections[7].sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        read_answer(connections[7])
        connections[7].sendall(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        said = wait_until(lambda: _refusal(service))

        assert b"retry-after: 1" in said.lower()
        assert b'"code": "unavailable"' in said


def _refusal(service: Service) -> bytes:
    with service.connect() as connection:
        connection.sendall(b"GET /held HTTP/1.1\r\n" + CLOSE)
        said = closes_within(connection, 10)
    return said if said.startswith(b"HTTP/1.1 503 ") else b""
