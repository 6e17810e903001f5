"""The listening sockets, which are opened once and shared by all workers."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

# The number of connections that may wait to be accepted; the system may limit it further.
BACKLOG = 2048

# The bytes of a response that the system buffers for a connection; it doubles the value. Threat: by
# default the buffer grows to 4 MiB, and a client that reads nothing fills much memory before
# anything seems to stall.
_SEND_BUFFER = 64 * 1024

# Whoever can open a unix socket is trusted as a proxy: its owner, and a group that both are in.
_SOCKET_MODE = 0o660

_UNIX = "unix:"

Address = tuple[socket.AddressFamily, str]


class CannotListen(Exception):
    """It is not possible to listen on the address; the message says why, for the operator."""


def open_listeners(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Listen on every address of some hosts; with port 0, on one port that the system picks.

    A host is an address, a name, `*` for all addresses of both families, or `unix:` and a path.
    Addresses of a name or of `*` that this machine does not have are left out.

    Raises:
        CannotListen: the port is taken, or the address does not belong to this machine.
    """
    with contextlib.ExitStack() as undo:
        listeners: list[socket.socket] = []
        for family, address in _resolve_all(hosts):
            try:
                listener = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
                if family == socket.AF_UNIX:
                    _listen_at(listener, Path(address))
                else:
                    _listen(listener, address, port)
                    port = listener.getsockname()[1]
            except OSError as fault:
                raise CannotListen(_explain(fault, family, address, port)) from None
            listeners.append(listener)
        undo.pop_all()
        return listeners


def urls_of(listeners: Sequence[socket.socket]) -> list[str]:
    """Return the URLs of listeners, such as `http://127.0.0.1:8000`."""
    urls = []
    for listener in listeners:
        if listener.family == socket.AF_UNIX:
            urls.append(f"{_UNIX}{listener.getsockname()}")
            continue
        host, port = listener.getsockname()[:2]
        urls.append(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
    return urls


def port_of(listeners: Sequence[socket.socket]) -> int | None:
    """Return the port that listeners share; None if all are unix sockets."""
    ports = [each.getsockname()[1] for each in listeners if each.family != socket.AF_UNIX]
    return ports[0] if ports else None


def _resolve_all(hosts: Sequence[str]) -> list[Address]:
    return list(dict.fromkeys(address for host in hosts for address in _resolve(host)))


def _resolve(host: str) -> list[Address]:
    if host.startswith(_UNIX):
        return [(socket.AF_UNIX, host.removeprefix(_UNIX))]
    try:
        found = socket.getaddrinfo(
            None if host == "*" else host,
            0,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except (socket.gaierror, UnicodeError):
        raise CannotListen(f"{host} is not an address of this machine") from None
    addresses: list[Address] = [(family, str(address[0])) for family, _, _, _, address in found]
    # Of several, such as those of `*` and `localhost`, this machine may lack a family.
    return [each for each in addresses if _is_here(*each)] or addresses


def _is_here(family: socket.AddressFamily, address: str) -> bool:
    """Tell whether this machine has the family and the address."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _listen(listener: socket.socket, address: str, port: int) -> None:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    listener.bind((address, port))
    listener.listen(BACKLOG)
    listener.setblocking(False)


def _listen_at(listener: socket.socket, path: Path) -> None:
    """Listen on a unix socket. Its file is not removed at the end: it may be a successor's."""
    if not path.name:
        raise CannotListen(f"{_UNIX} names no file")
    _clear(path)
    # Before anybody can connect: the mode with which the file is created.
    mask = os.umask(0o777 & ~_SOCKET_MODE)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    listener.listen(BACKLOG)
    listener.setblocking(False)


def _clear(path: Path) -> None:
    """Remove the socket of a process that has ended.

    Raises:
        CannotListen: another process listens there, or it is a file of another kind.
    """
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise CannotListen(f"{path} is no socket; it is left alone")
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.setblocking(False)
        try:
            visitor.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        except BlockingIOError:  # its queue is full, so a process listens
            raise CannotListen(f"{path} is taken") from None
        else:
            raise CannotListen(f"{path} is taken")


def _explain(fault: OSError, family: socket.AddressFamily, address: str, port: int) -> str:
    if family == socket.AF_UNIX:
        return f"cannot listen on {_UNIX}{address}: {fault.strerror or fault}"
    match fault.errno:
        case errno.EADDRINUSE:
            return f"port {port} is taken; choose another with --port or KEYFOB_PORT"
        case errno.EACCES:
            return f"port {port} may only be opened by a privileged user"
        case errno.EADDRNOTAVAIL:
            return f"{address} is not an address of this machine"
        case _:
            return f"cannot listen on {address}:{port}: {fault.strerror}"
