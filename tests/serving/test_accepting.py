import asyncio
import errno
import os
import resource
import socket

import pytest

from keyfob.serving import process
from keyfob.serving.accepting import Acceptor, Peer

pytestmark = pytest.mark.slow


class _Short:
    """A listening socket in a process without free descriptors for a while."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.refused = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._listener, name)

    def accept(self) -> tuple[socket.socket, object]:
        if self.refused < 2:
            self.refused += 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._listener.accept()


class _Hello(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(b"hello")
        transport.close()


def _welcome(_peer: Peer) -> asyncio.Protocol:
    return _Hello()


class _Nameless(_Short):
    """As some systems accept a connection that was reset: without an address."""

    def accept(self) -> tuple[socket.socket, object]:
        return self._listener.accept()[0], None


async def test_a_connection_without_an_address_is_dropped_unread() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        nameless = _Nameless(listener)
        acceptor = Acceptor(asyncio.get_running_loop(), [nameless], _welcome, [], None)
        reader, writer = await asyncio.open_connection(*listener.getsockname())

        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        await acceptor.close()


async def test_without_descriptors_it_tries_again_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        short = _Short(listener)
        acceptor = Acceptor(asyncio.get_running_loop(), [short], _welcome, [], None)
        reader, writer = await asyncio.open_connection(*listener.getsockname())

        assert await asyncio.wait_for(reader.read(), 10) == b"hello"
        assert short.refused == 2
        writer.close()
        await acceptor.close()


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "allowed"),
    [
        (8192, 8192, None, 4096),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None, 4096),
        (1024, 8192, (4352, 8192), 4096),
        (1024, resource.RLIM_INFINITY, (4352, resource.RLIM_INFINITY), 4096),
        (1024, 1024, (1024, 1024), 768),
    ],
)
def test_connections_fit_the_open_files(
    monkeypatch: pytest.MonkeyPatch,
    soft: int,
    hard: int,
    raised: tuple[int, int] | None,
    allowed: int,
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))

    assert process.allow_connections(4096) == allowed
    assert asked == ([raised] if raised else [])
