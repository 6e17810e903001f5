import contextlib
import errno
import os
import socket
import stat
import struct
from pathlib import Path
from typing import Any

import pytest
from tests.serving.conftest import Start, closes_within, read_answer, wait_until

from keyfob.serving.listeners import CannotListen, open_listeners, urls_of

pytestmark = pytest.mark.slow


def test_a_taken_port_is_named(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotListen, match=f"port {port} is taken"):
            open_listeners(["127.0.0.1"], port)
        assert start(wait=False, port=port).process.wait(timeout=20) == 1


def test_port_zero_is_one_port_on_every_address_of_a_host() -> None:
    listeners = open_listeners(["localhost"], 0)

    assert len({listener.getsockname()[1] for listener in listeners}) == 1
    for listener in listeners:
        listener.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_address_of_six_is_bracketed() -> None:
    [listener] = open_listeners(["::1"], 0)
    with listener:
        assert urls_of([listener]) == [f"http://[::1]:{listener.getsockname()[1]}"]


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "x" * 64 + ".example"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(CannotListen, match="is not an address of this machine"):
        open_listeners([host], 0)


CLOSE = b"GET /over HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def ask_at(path: Path, raw: bytes = CLOSE) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(path))
        connection.sendall(raw)
        return closes_within(connection, 10)


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["127.0.0.1,::1", " ::1 , 127.0.0.1 ", "0.0.0.0,::", "*"])
def test_it_listens_on_both_families_of_addresses(start: Start, host: str) -> None:
    service = start(host=host)

    for address in ("127.0.0.1", "::1"):
        with socket.create_connection((address, service.port), timeout=20) as connection:
            connection.sendall(CLOSE)
            assert closes_within(connection, 10).startswith(b"HTTP/1.1 200 ")


class KernelWithoutSix(socket.socket):
    """As a kernel that was started with `ipv6.disable=1` answers."""

    def __init__(self, family: int = socket.AF_INET, *more: Any, **options: Any) -> None:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        super().__init__(family, *more, **options)


def test_a_family_that_the_kernel_lacks_is_left_out_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "socket", KernelWithoutSix)

    [listener] = open_listeners(["*"], 0)

    with listener:
        assert listener.family == socket.AF_INET
    with pytest.raises(CannotListen, match="cannot listen on ::1:0: Address family not supported"):
        open_listeners(["::1"], 0)


def test_an_address_given_twice_is_listened_on_once() -> None:
    [listener] = open_listeners(["127.0.0.1", "127.0.0.1"], 0)
    listener.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_it_listens_on_a_unix_socket(start: Start, tmp_path: Path, workers: int) -> None:
    path = tmp_path / "keyfob.sock"
    service = start(host=f"unix:{path},127.0.0.1", workers=workers)

    said = ask_at(path)
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b'"client": null' in said
    assert stat.S_IMODE(path.stat().st_mode) == 0o660  # whoever opens it is believed as a proxy
    assert service.ask("/too")["path"] == "/too"
    assert service.stop() == 0


LYING = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n"
RESET = struct.pack("ii", 1, 0)


def test_a_client_that_resets_is_no_proxy_where_a_unix_socket_is_one(
    start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "keyfob.sock"
    service = start(host=f"unix:{path},127.0.0.1")
    with service.connect() as blocking:
        blocking.sendall(b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until((service.folder / "blocked").exists)
        for _ in range(300):  # each is gone when it is accepted
            with service.connect() as gone:
                gone.sendall(LYING + b"\r\n")
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        (service.folder / "go").touch()
        read_answer(blocking)

    callers = service.ask("/believed")
    assert len(callers) > 2
    assert {tuple(each) for each in callers} == {("127.0.0.1", False)}
    ask_at(path, LYING + b"Connection: close\r\n\r\n")
    assert service.ask("/believed")[-2] == ["203.0.113.9", True]


def test_the_socket_that_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "keyfob.sock"
    for _ in range(2):
        [listener] = open_listeners([f"unix:{path}"], 0)
        assert urls_of([listener]) == [f"unix:{path}"]
        listener.close()  # and the file stays


def test_a_socket_that_somebody_listens_on_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "keyfob.sock"
    [listener] = open_listeners([f"unix:{path}"], 0)
    with listener, pytest.raises(CannotListen, match=r"keyfob\.sock is taken"):
        open_listeners([f"unix:{path}"], 0)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")

    with pytest.raises(CannotListen, match="precious is no socket"):
        open_listeners([f"unix:{path}"], 0)
    assert path.read_text() == "data"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("nowhere/keyfob.sock", "No such file or directory"),
        ("x" * 200, "too long"),
    ],
)
@pytest.mark.parametrize("is_relative", [False, True], ids=["absolute", "relative"])
def test_a_place_where_no_socket_can_be_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, why: str, *, is_relative: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    where = path if is_relative else f"{tmp_path}/{path}"
    with pytest.raises(CannotListen, match=rf"^cannot listen on unix:{where}: .*{why}"):
        open_listeners([f"unix:{where}"], 0)


def test_a_place_without_a_name_is_refused() -> None:
    with pytest.raises(CannotListen, match="names no file"):
        open_listeners(["unix:"], 0)


def test_the_system_holds_little_of_an_answer_that_nobody_reads() -> None:
    """Threat: it would let each of thousands of connections grow to 4 MiB."""
    with contextlib.ExitStack() as stack:
        (listener,) = map(stack.enter_context, open_listeners(["127.0.0.1"], 0))
        stack.enter_context(socket.create_connection(listener.getsockname()))
        listener.setblocking(True)
        ours = stack.enter_context(listener.accept()[0])

        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 128 * 1024
