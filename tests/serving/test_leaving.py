"""Clients that disconnect in the middle of a request cause no log entries."""

import socket
import struct

import pytest
from tests.serving.conftest import Service

pytestmark = pytest.mark.slow

RESET = struct.pack("ii", 1, 0)  # closing sends RST: what was not read yet is lost


def test_a_client_that_resets_before_its_answers_is_no_error(service: Service) -> None:
    for _ in range(40):
        with service.connect() as connection:
            connection.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" * 8)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    # The last of them has been seen off once a whole queue of ours is answered.
    answers = [service.ask("/slow")["path"] for _ in range(20)]
    assert answers == ["/slow"] * 20
    assert [line for line in service.log if line["level"] == "error"] == []
