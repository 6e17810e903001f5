import socket

import pytest
from tests.cli.serving.conftest import Start

from keyfob.cli.serving.listeners import CannotListen, open_listeners, urls_of


def test_a_taken_port_is_named(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotListen, match=f"port {port} is taken"):
            open_listeners("127.0.0.1", port)
        assert start(wait=False, port=port).process.wait(timeout=20) == 1


def test_port_zero_is_one_port_on_every_address_of_a_host() -> None:
    listeners = open_listeners("localhost", 0)

    assert len({listener.getsockname()[1] for listener in listeners}) == 1
    for listener in listeners:
        listener.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_address_of_six_is_bracketed() -> None:
    [listener] = open_listeners("::1", 0)
    with listener:
        assert urls_of([listener]) == [f"http://[::1]:{listener.getsockname()[1]}"]


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "x" * 64 + ".example"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(CannotListen, match="is not an address of this machine"):
        open_listeners(host, 0)
