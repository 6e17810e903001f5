"""oauth2-proxy in front of an app, set up as docs/apps/oauth2-proxy.md says."""

import base64
import http.server
import json
import os
import threading
import time
from pathlib import Path
from urllib.parse import quote

from clients.administrator import Administrator
from clients.apps import SetUp, free_port, running
from clients.person import Person


class App(http.server.BaseHTTPRequestHandler):
    """Says who it was told has come."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        told = {name: value for name, value in self.headers.items() if "Forwarded" in name}
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *_: object) -> None:
        pass


admin = Administrator.of_trial()
app = http.server.ThreadingHTTPServer(("127.0.0.1", 0), App)
threading.Thread(target=app.serve_forever, daemon=True).start()
port = free_port()
tools = f"http://localhost:{port}"
host = admin.url.removeprefix("http://").removesuffix("/auth")
page = SetUp(
    "oauth2-proxy",
    {
        "https://id.example.com": f"http://{host}",
        "https://tools.example.com": tools,
        '"id.example.com"': f'"{host}"',
        "127.0.0.1:4180": f"127.0.0.1:{port}",
        "127.0.0.1:8080": f"127.0.0.1:{app.server_port}",
        '"4m"': '"1s"',
    },
)
secret = base64.urlsafe_b64encode(os.urandom(32)).decode()
holes = {**page.register(), "<32 random bytes>": secret}
Path("proxy.cfg").write_text(page.settings("toml", holes))

with running(["./oauth2-proxy", "--config", "proxy.cfg"], f"{tools}/ping"):
    person = Person(admin.email, admin.password)
    came = person.open(f"{tools}/reports")
    assert came.url == f"{tools}/reports", came
    told = json.loads(came.text)
    assert told["X-Forwarded-Email"] == admin.email, told
    assert "admin" in told["X-Forwarded-Groups"], told
    assert told["X-Forwarded-User"] == admin.call("GET", "me")["id"], told
    assert [address.rpartition("/")[2] for address in person.pages] == ["sign-in", "authorize"]

    # Once the proxy has refreshed, it still knows who it is.
    time.sleep(1.5)
    assert person.open(f"{tools}/reports").text == came.text
    assert len(person.pages) == 2, person.pages

    # As the page says, it signs out at Keyfob, too, and nobody is asked.
    leave = (
        f"{admin.url}/oauth2/logout?id_token_hint={{id_token}}&post_logout_redirect_uri={tools}/"
    )
    back = person.open(f"{tools}/oauth2/sign_out?rd={quote(leave, safe='')}")
    assert "/ui/sign-in" in person.pages[2], person.pages
    assert back.url == f"{tools}/", back

    # Signed out elsewhere: the next refresh of the proxy is refused, and Keyfob asks again.
    other = Person(admin.email, admin.password)
    other.open(f"{tools}/reports")
    before = len(other.pages)
    admin.sign_out_everywhere()
    time.sleep(1.5)
    other.open(f"{tools}/reports")
    assert "/ui/sign-in" in other.pages[before], other.pages

app.shutdown()
