"""A client of MCP goes from 401 to the call of a tool, by a document, and by registering itself."""

import asyncio
import contextlib
import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx2
from clients.administrator import Administrator
from clients.person import Person
from mcp.client import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from server import serve

SERVER = "http://127.0.0.1:9327/mcp"
DOCUMENT = "https://localhost:9328/client.json"
CALLBACK = "http://127.0.0.1:51004/callback"
PUBLISHED = {
    "client_id": DOCUMENT,
    "client_name": "Editor",
    "redirect_uris": ["http://127.0.0.1/callback"],
    "application_type": "native",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}


admin = Administrator.of_trial()
USER = admin.call("GET", "me")["id"]


class Kept:
    """What the client keeps between two runs."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Editor:
    """A program whose user is sent to Keyfob's pages."""

    def __init__(self, kept: Kept, document: str | None) -> None:
        self.asked: list[str] = []
        asks = OAuthClientMetadata.model_validate(
            {"client_name": "Editor", "redirect_uris": [CALLBACK]}
        )
        self.provider = OAuthClientProvider(
            SERVER, asks, kept, self._redirect, self._come_back, client_metadata_url=document
        )

    async def who_am_i(self) -> str:
        async with (
            httpx2.AsyncClient(auth=self.provider, timeout=20) as http,
            Client(streamable_http_client(SERVER, http_client=http)) as client,
        ):
            answer = await client.call_tool("who-am-i", {})
            return str(answer.content[0].text)

    async def _redirect(self, url: str) -> None:
        self.asked.append(url)

    async def _come_back(self) -> AuthorizationCodeResult:
        person = Person(admin.email, admin.password)
        came = await asyncio.to_thread(person.visit, self.asked[-1], CALLBACK)
        given = {name: values[0] for name, values in parse_qs(urlsplit(came).query).items()}
        return AuthorizationCodeResult(code=given["code"], state=given["state"], iss=given["iss"])


async def use(document: str | None) -> str:
    """Come from 401 to the tool, then again by a refresh; return the client's id."""
    kept = Kept()
    editor = Editor(kept, document)
    assert await editor.who_am_i() == USER
    assert kept.tokens is not None
    assert kept.client is not None
    assert status_of_me(kept.tokens.access_token) == 401  # it is for that server alone

    used = kept.tokens.refresh_token
    editor.provider.context.token_expiry_time = 1  # long ago
    assert await editor.who_am_i() == USER
    assert kept.tokens.refresh_token != used
    assert len(editor.asked) == 1, "its user was asked again"
    return kept.client.client_id


def status_of_me(token: str) -> int:
    request = urllib.request.Request(
        f"{admin.url}/me", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as refused:
        return refused.code
    return 200


@contextlib.contextmanager
def published() -> Iterator[None]:
    """Publish what the program is, where its `client_id` says."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(PUBLISHED).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("localhost", 9328), Answers)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain("../certificate.pem", "../key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()


async def main() -> None:
    """Do what an administrator does once, and then what users do."""
    scopes = {"notes:read": {"en": "Read notes"}}
    admin.call("POST", "admin/resources", identifier=SERVER, name="Notes", scopes=scopes)
    admin.call("POST", "admin/roles", name="note-reader", permissions=["notes:read"])
    admin.call("POST", f"admin/users/{USER}/roles", role="note-reader")
    serving = asyncio.create_task(serve(SERVER, admin.url))
    with published():
        assert await use(DOCUMENT) == DOCUMENT
        assert len(await use(None)) == 36
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


asyncio.run(main())
