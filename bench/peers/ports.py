"""Pairs of ports, for servers whose administrators have one of their own."""

import contextlib
import socket

from bench.harness.cluster import HOST, free_port


def free_pair() -> int:
    """Find a port on loopback that is free together with the one of the administrator."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, admin_port(port := free_port())))
            return port


def admin_port(port: int) -> int:
    """The port of the administrator beside that of everybody."""
    return port + 1
