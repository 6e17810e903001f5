"""`keyfob doctor` asks for the metadata in each of their places, as clients do."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from bench.harness.cluster import free_port
from tests.cli.conftest import Run
from tests.cli.reports import report_of, unwell

SERVER, RESOURCE = "oauth-authorization-server", "oauth-protected-resource"
OPENID = "openid-configuration"
PLACES = [
    f"/auth/.well-known/{SERVER}",
    f"/.well-known/{SERVER}/auth",
    f"/auth/.well-known/{OPENID}",
    f"/.well-known/{OPENID}/auth",
    f"/auth/.well-known/{RESOURCE}",
    f"/.well-known/{RESOURCE}/auth",
]


@contextmanager
def proxy(passes: Callable[[str], int], tells: str | None = None) -> Iterator[str]:
    """Serve the metadata where a path gets status 200, and give the issuer's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = passes(self.path) if self.path in PLACES else 404
            told = tells if tells is not None else issuer
            body = json.dumps({"issuer": told, "resource": told}).encode() if status == 200 else b""
            self.send_response(status)
            if status in {301, 302}:
                self.send_header("Location", f"{issuer}/.well-known/{SERVER}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = f"http://127.0.0.1:{server.server_port}/auth"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield issuer
    server.shutdown()
    server.server_close()


def test_all_places_are_found(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(lambda _: 200) as issuer:
        monkeypatch.setenv("KEYFOB_ISSUER", issuer)
        said = doctor("--json")

    assert unwell(said) == {}
    report = {finding["part"]: finding["says"] for finding in report_of(said)}
    assert report["metadata"] == "found in 6 places"


@pytest.mark.parametrize("status", [404, 301, 502])
def test_a_proxy_that_passes_on_the_issuer_s_path_alone(
    doctor: Run, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with proxy(lambda path: 200 if path.startswith("/auth/") else status) as issuer:
        monkeypatch.setenv("KEYFOB_ISSUER", issuer)
        said = doctor("--json")

    host = issuer.removesuffix("/auth")
    assert unwell(said) == {
        "metadata": f"a proxy hides {host}{PLACES[1]}, {host}{PLACES[3]}, {host}{PLACES[5]}; "
        "let it pass these on, too"
    }


def test_another_service_at_the_root_of_the_host(
    doctor: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(lambda _: 200, tells="https://another.example") as issuer:
        monkeypatch.setenv("KEYFOB_ISSUER", issuer)

        assert unwell(doctor("--json")).keys() == {"metadata"}


def test_a_service_that_was_not_started_yet(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = f"http://127.0.0.1:{free_port()}/auth"
    monkeypatch.setenv("KEYFOB_ISSUER", issuer)

    said = doctor("--json")

    assert unwell(said) == {}
    report = {finding["part"]: finding["says"] for finding in report_of(said)}
    assert report["metadata"] == f"nothing answers at {issuer} from here, so it is not known"
