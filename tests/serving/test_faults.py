"""Empty lines before the first request, and errors while a request is read."""

import json

import pytest
from tests.serving.conftest import Service, Start, closes_within, read_answer

pytestmark = pytest.mark.slow

LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("lines", [b"\r\n", b"\r\n\r\n", b"\n\n", b"\r\n" * 20])
def test_empty_lines_before_the_first_request_are_ignored(service: Service, lines: bytes) -> None:
    """RFC 9112 section 2.2."""
    assert service.say(lines + LAST).startswith(b"HTTP/1.1 200 ")


def test_an_empty_line_may_come_before_the_first_request_in_a_read_of_its_own(
    service: Service,
) -> None:
    with service.connect() as connection:
        connection.sendall(b"\r\n")
        assert service.ask()["path"] == "/"  # so it has been read
        connection.sendall(LAST)

        assert closes_within(connection, 10).startswith(b"HTTP/1.1 200 ")


def test_no_line_break_is_an_error_in_the_log(impatient: Service) -> None:
    before = len(impatient.log)
    for _ in range(3):
        assert impatient.say(b"\r\n\r\n").startswith(b"HTTP/1.1 408 ")

    assert [line for line in impatient.log[before:] if line["level"] == "error"] == []


def test_a_fault_of_ours_is_one_refusal_and_one_line_without_a_traceback(start: Start) -> None:
    """Threat: a client that has found such a fault fills the disk with tracebacks."""
    service = start("create_app_behind_a_faulty_protocol")
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_answer(connection).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"POST / HTTP/1.1\r\nX-Fault: " + b"x" * 3000)
        head, _, body = closes_within(connection, 10).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 500 ")
    problem = json.loads(body)
    assert problem["code"] == "internal_error"
    (line,) = [line for line in service.log if line["level"] == "error"]
    assert line["event"] == "cannot_read"
    assert line["fault"] == "ZeroDivisionError"
    assert line["place"].startswith("mock.py:")
    assert line["request_id"] == problem["request_id"]
    assert len(json.dumps(line)) < 300
    assert service.stop() == 0
