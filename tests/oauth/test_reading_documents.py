"""Documents of clients: which URLs, hosts and answers count."""

import json

import pytest

from keyfob.clients.documents import DocumentHosts, is_document_url
from keyfob.core.outbound import Fetched
from keyfob.oauth.client_documents import read_document


def test_only_json_counts() -> None:
    url = "https://app.example.com/client.json"
    body = json.dumps({"client_id": url}).encode()

    def fetched(kind: str, body: bytes = body) -> Fetched:
        return Fetched(200, (("content-type", kind),), body)

    for kind in ("application/json", "application/JSON; charset=utf-8", "application/cimd+json"):
        assert read_document(fetched(kind), url)["client_id"] == url
    for kind in ("", "text/html", "application/jsonx", "text/json", "application/x"):
        with pytest.raises(ValueError, match="JSON"):
            read_document(fetched(kind), url)
    for text in (b"", b"[]", b"null", b"[" * 5000, b"\xff", b"{"):
        with pytest.raises(ValueError):  # noqa: PT011 - each with another message
            read_document(fetched("application/json", text), url)


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://app.example.com/client.json", True),
        ("https://app.example.com:8443/a?b=c", True),
        ("https://app.example.com", False),
        ("https://app.example.com/", False),
        ("http://app.example.com/client.json", False),
        ("HTTPS://app.example.com/client.json", False),
        ("https://App.example.com/client.json", False),
        ("https://me@app.example.com/client.json", False),
        ("https://app.example.com/client.json#x", False),
        ("https://app.example.com/a/../client.json", False),
        ("https://app.example.com/a/%2E./client.json", False),
        ("https://app.example.com/./client.json", False),
        ("https://app.example.com\\@evil.example/x", False),
        ("https://app.example.com/cli ent", False),
        ("https://app.example.com/\u0441lient", False),
        ("https://app.example.com:0/client.json", False),
        ("https://app.example.com:x/client.json", False),
        ("https://[::1/client.json", False),
        ("https:///client.json", False),
        ("https://app.example.com/" + "x" * 500, False),
        ("", False),
    ],
)
def test_urls_of_documents_are_written_in_one_way(url: str, is_one: bool) -> None:
    assert is_document_url(url) is is_one


@pytest.mark.parametrize(
    ("host", "allowed", "denied", "is_taken"),
    [
        ("app.example.com", [], [], True),
        ("app.example.com", ["app.example.com"], [], True),
        ("app.example.com", ["*.example.com"], [], True),
        ("example.com", ["*.example.com"], [], False),
        ("evilexample.com", ["*.example.com"], [], False),
        ("app.example.com", ["other.example.com"], [], False),
        ("app.example.com", ["*.example.com"], ["app.example.com"], False),
        ("app.example.com.", [], ["app.example.com"], False),
    ],
)
def test_hosts_are_allowed_and_denied(
    host: str, allowed: list[str], denied: list[str], is_taken: bool
) -> None:
    hosts = DocumentHosts(is_on=True, allowed=allowed, denied=denied)
    assert hosts.takes(f"https://{host}/client.json") is is_taken
