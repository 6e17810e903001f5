"""The listening sockets, opened once and shared by every worker."""

import contextlib
import errno
import socket
from collections.abc import Sequence

# Connections that may wait to be accepted; the system may cap it lower.
BACKLOG = 2048

Address = tuple[socket.AddressFamily, str]


class CannotListen(Exception):
    """The address cannot be listened on; the message says why, in words for the operator."""


def open_listeners(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of a host; with port 0, on one port that the system picks.

    Raises:
        CannotListen: the port is taken, or the address is not one of this machine.
    """
    with contextlib.ExitStack() as undo:
        listeners: list[socket.socket] = []
        for family, address in _resolve(host):
            listener = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
            try:
                _listen(listener, address, port)
            except OSError as fault:
                raise CannotListen(_explain(fault, host, port)) from None
            port = listener.getsockname()[1]
            listeners.append(listener)
        undo.pop_all()
        return listeners


def urls_of(listeners: Sequence[socket.socket]) -> list[str]:
    """Name the addresses that listeners are reached at, such as `http://127.0.0.1:8000`."""
    urls = []
    for listener in listeners:
        host, port = listener.getsockname()[:2]
        urls.append(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
    return urls


def _resolve(host: str) -> list[Address]:
    try:
        found = socket.getaddrinfo(
            host or None, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError):
        raise CannotListen(f"{host} is not an address of this machine") from None
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _listen(listener: socket.socket, address: str, port: int) -> None:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((address, port))
    listener.listen(BACKLOG)
    listener.setblocking(False)


def _explain(fault: OSError, host: str, port: int) -> str:
    match fault.errno:
        case errno.EADDRINUSE:
            return f"port {port} is taken; choose another with --port or KEYFOB_PORT"
        case errno.EACCES:
            return f"port {port} may only be opened by a privileged user"
        case errno.EADDRNOTAVAIL:
            return f"{host} is not an address of this machine"
        case _:
            return f"cannot listen on {host}:{port}: {fault.strerror}"
