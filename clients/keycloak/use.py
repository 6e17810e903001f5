"""Keycloak as a broker to Keyfob, set up as docs/apps/keycloak.md says."""

import base64
import hashlib
import html
import json
import re
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from clients.administrator import Administrator
from clients.apps import SetUp, free_port, running
from clients.person import Page, Person, Step

PATIENCE = 20.0  # seconds
CALLBACK = "https://app.example.com/callback"
BYE = "https://app.example.com/bye"
VERIFIER = "v" * 64

admin = Administrator.of_trial()
port = free_port()
sso = f"http://localhost:{port}"
endpoints = f"{sso}/realms/apps/protocol/openid-connect"
page = SetUp("keycloak", {"https://id.example.com/auth": admin.url, "https://sso.example.com": sso})
realm = json.loads(Path("realm.json").read_text())
realm["identityProviders"] = [json.loads(page.settings("json", page.register()))]
shutil.rmtree("keycloak/data", ignore_errors=True)  # else the realm of the last run stays
imported = Path("keycloak/data/import")
imported.mkdir(parents=True)
(imported / "apps-realm.json").write_text(json.dumps(realm))


def fill_in(page: Page) -> Step | None:
    """Answer what Keycloak asks at the first sign-in: names that Keyfob does not know."""
    form = re.search(r'<form [^>]*action="([^"]+)"', page.text)
    if page.status != 200 or not form or not page.url.startswith(sso):
        return None
    email = {"email": admin.email, "username": admin.email}
    return html.unescape(form[1]), {**email, "firstName": "Ada", "lastName": "Lovelace"}


def ask(form: dict[str, str]) -> Any:
    """Return what Keycloak's token endpoint answers to an app of its realm."""
    body = urlencode({"client_id": "ledger", **form}).encode()
    try:
        with urllib.request.urlopen(f"{endpoints}/token", body, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        return json.load(refused)


def sign_in(person: Person) -> Any:
    """Sign in to an app of the realm at Keyfob's pages; return Keycloak's tokens."""
    digest = hashlib.sha256(VERIFIER.encode()).digest()
    asked = {
        "client_id": "ledger",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid",
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        "kc_idp_hint": "keyfob",
    }
    came = person.visit(f"{endpoints}/auth?{urlencode(asked)}", CALLBACK)
    given = parse_qs(urlsplit(came).query)
    assert "code" in given, came
    grant = {"grant_type": "authorization_code", "redirect_uri": CALLBACK}
    tokens = ask({**grant, "code": given["code"][0], "code_verifier": VERIFIER})
    assert "id_token" in tokens, tokens
    return tokens


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def refreshed(tokens: Any) -> Any:
    return ask({"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})


command = ["keycloak/bin/kc.sh", "start-dev", "--import-realm", f"--http-port={port}"]
with running(command, f"{sso}/realms/apps", KC_HTTP_HOST="127.0.0.1", KC_CACHE="local"):
    person = Person(admin.email, admin.password, decides=fill_in)
    tokens = sign_in(person)
    assert [address.rpartition("/")[2] for address in person.pages] == ["sign-in", "authorize"]
    assert claims_of(tokens["id_token"])["email"] == admin.email
    assert "operator" in claims_of(tokens["access_token"])["realm_access"]["roles"]
    tokens = refreshed(tokens)
    assert "access_token" in tokens, tokens

    # Signed out at Keyfob: Keycloak hears of it, and ends its session.
    admin.sign_out_everywhere()
    until = time.monotonic() + PATIENCE
    while "access_token" in (told := refreshed(tokens)):
        assert time.monotonic() < until, "Keycloak did not hear of the sign-out"
        time.sleep(0.3)
        tokens = told
    assert told["error"] == "invalid_grant", told

    # Signed out at Keycloak: it leads to Keyfob, and back.
    tokens = sign_in(person)
    leave = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE}
    person.visit(f"{endpoints}/logout?{urlencode(leave)}", BYE)
    before = len(person.pages)
    person.open(f"{admin.url}/ui/account")
    assert "/ui/sign-in" in person.pages[before], person.pages
