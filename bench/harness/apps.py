"""People who use apps with accounts of Keyfob: signed in, and their app allowed before."""

import html
import re
from typing import Any

from bench.harness.app_user import CALLBACK, AppUser, Endpoints, Key
from bench.harness.browsing import PREFIX, Browser, text_of
from bench.harness.clients import PASSWORD, registered
from bench.harness.load import Answer, Connection, Step, request
from bench.harness.servers import ADMIN

_HIDDEN = re.compile(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"')
_LEADS_TO = re.compile(r'http-equiv="refresh" content="0;url=([^"]*)"')


async def signs_in_by_code(connection: Connection, _: int) -> Step:
    """Signs in to an app with a secret, again and again: a code, and its exchange for tokens."""
    return (await _user_of_app(connection, auth_method="client_secret_basic")).sign_in_by_secret


async def signs_in_as_fapi_asks(connection: Connection, _: int) -> Step:
    """Signs in to an app by a pushed request, DPoP and private_key_jwt, as FAPI 2.0 asks for."""
    key = Key()
    asked = {"profile": "fapi2", "auth_method": "private_key_jwt", "jwks": {"keys": [key.public]}}
    return (await _user_of_app(connection, key, **asked)).sign_in_by_key


async def asks_userinfo(connection: Connection, _: int) -> Step:
    """Asks what an app may know of its user, with one token."""
    user = await _user_of_app(connection, auth_method="client_secret_basic")
    token = (await user.tokens_by_secret()).json()["access_token"]
    wire = request("GET", "/oauth2/userinfo", token=token)

    async def step() -> int:
        answer = await connection.send(wire)
        assert b'"sub":' in answer.body, answer
        return answer.status

    return step


async def asks_for_codes(connection: Connection, _: int) -> Step:
    """Is sent to the authorization endpoint by an app, again and again, and back with a code."""
    user = await _user_of_app(connection, auth_method="client_secret_basic")

    async def step() -> int:
        await user.code(user.asked)
        return 200

    return step


async def _user_of_app(connection: Connection, key: Key | None = None, **fields: Any) -> AppUser:
    """Register an app of its own, sign somebody new in, and let them allow it everything."""
    email, _tokens = await registered(connection)
    browser = Browser(connection)
    await browser.sign_in(email, PASSWORD)
    client_id, secret = await _register_app(connection, needs_secret=key is None, **fields)

    async def allow(answer: Answer) -> str:
        hidden = _HIDDEN.findall(text_of(answer))
        form = {name: html.unescape(value) for name, value in hidden} | {"decision": "allow"}
        page = text_of(await browser.post(f"{PREFIX}/ui/authorize", **form))
        found = _LEADS_TO.search(page)
        return html.unescape(found[1]) if found else ""

    user = AppUser(
        connection=connection,
        browser=browser,
        endpoints=await _endpoints(connection),
        client_id=client_id,
        secret=secret,
        key=key or Key(),
        pages=allow,
    )
    if key is None:
        await user.sign_in_by_secret()
    else:
        await user.learn_nonce()
        await user.sign_in_by_key()
    return user


async def _endpoints(connection: Connection) -> Endpoints:
    found = await connection.send(request("GET", "/.well-known/openid-configuration"))
    told = found.json()
    return Endpoints(
        authorize=f"{PREFIX}/oauth2/authorize",
        token="/oauth2/token",
        par="/oauth2/par",
        issuer=told["issuer"],
        token_url=told["token_endpoint"],
    )


async def _register_app(
    connection: Connection, *, needs_secret: bool, **fields: Any
) -> tuple[str, str]:
    email, password = ADMIN
    signed_in = await connection.send(
        request("POST", "/login", body={"email": email, "password": password})
    )
    admin = signed_in.json()["access_token"]
    asked = {"name": "Bench", "kind": "web", "redirect_uris": [CALLBACK], **fields}
    made = await connection.send(request("POST", "/admin/clients", token=admin, body=asked))
    assert made.status == 201, made
    client_id = made.json()["id"]
    if not needs_secret:
        return client_id, ""
    path = f"/admin/clients/{client_id}/secrets"
    secret = await connection.send(request("POST", path, token=admin, body={}))
    return client_id, secret.json()["client_secret"]
