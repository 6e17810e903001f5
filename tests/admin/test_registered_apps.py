"""Apps by which people sign in, as administrators register and change them."""

from typing import Any

import httpx
import pytest
from tests.fixtures.world import SignedIn, World

from keyfob.clients.models import ClientKind
from keyfob.clients.uris import ensure_redirect_uri, ensure_uri_after_logout

CALLBACK = "https://app.example.com/callback"


async def register(world: World, admin: SignedIn, **given: Any) -> httpx.Response:
    asked = {"name": "Ledger", "kind": "web", "redirect_uris": [CALLBACK], **given}
    return await world.api.post("/admin/clients", json=asked, headers=admin.headers)


async def test_an_app_gets_what_is_usual_for_its_kind(world: World, admin: SignedIn) -> None:
    web = (await register(world, admin)).json()
    browser = (await register(world, admin, kind="browser")).json()

    assert web["grants"] == browser["grants"] == ["authorization_code", "refresh_token"]
    assert web["auth_method"] == "client_secret_basic"
    assert browser["auth_method"] == "none"
    assert web["redirect_uris"] == [CALLBACK]
    assert (web["id_token_alg"], web["require_pkce"], web["first_party"]) == ("RS256", True, False)


async def published(world: World) -> list[str]:
    """Return the algorithms of the keys that verifiers find."""
    keys = (await world.api.get("/.well-known/jwks.json")).json()["keys"]
    return sorted(key["alg"] for key in keys)


async def test_the_key_of_an_apps_id_tokens_is_published_before_somebody_signs_in(
    world: World, admin: SignedIn
) -> None:
    before = await published(world)
    made = (await register(world, admin, id_token_alg="ES256")).json()
    registered = await published(world)
    changes = {"id_token_alg": "EdDSA"}
    changed = await world.api.patch(
        f"/admin/clients/{made['id']}", json=changes, headers=admin.headers
    )

    assert changed.status_code == 200
    assert "ES256" not in before
    assert "ES256" in registered
    assert await published(world) == sorted([*registered, "EdDSA"])


async def test_an_app_on_a_device_alone_needs_no_place_to_return_to(
    world: World, admin: SignedIn
) -> None:
    grants = ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]

    native = await register(world, admin, kind="native", grants=grants, redirect_uris=[])
    web = await register(world, admin, grants=["authorization_code", *grants])

    assert (native.status_code, web.status_code) == (201, 201)
    assert native.json()["grants"] == grants


async def test_an_app_on_a_device_alone_keeps_what_is_changed_of_it(
    world: World, admin: SignedIn
) -> None:
    grants = ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]
    made = await register(world, admin, kind="native", grants=grants, redirect_uris=[])
    path = f"/admin/clients/{made.json()['id']}"

    changed = await world.api.patch(path, json={"id_token_alg": "ES256"}, headers=admin.headers)

    assert changed.json()["id_token_alg"] == "ES256"
    assert (await world.api.get(path, headers=admin.headers)).json() == changed.json()
    told = await world.db.fetchval(
        "SELECT new_values::text FROM audit_events WHERE action = 'client.changed'"
    )
    assert "ES256" in told


UNFIT = [
    (
        {"kind": "browser", "grants": ["urn:ietf:params:oauth:grant-type:device_code"]},
        "/body/grants",
    ),
    ({"redirect_uris": []}, "/body/redirect_uris"),
    ({"redirect_uris": ["http://app.example.com/"]}, "/body/redirect_uris"),
    ({"redirect_uris": ["com.example.app:/back"]}, "/body/redirect_uris"),
    ({"kind": "service"}, "/body/redirect_uris"),
    ({"kind": "service", "grants": ["authorization_code"]}, "/body/grants"),
    ({"kind": "browser", "auth_method": "client_secret_basic"}, "/body/auth_method"),
    ({"kind": "native", "grants": ["client_credentials"]}, "/body/grants"),
    ({"kind": "native", "require_pkce": False}, "/body/require_pkce"),
    ({"auth_method": "none"}, "/body/auth_method"),
    ({"grants": ["refresh_token"], "redirect_uris": []}, "/body/grants"),
    (
        {"kind": "native", "first_party": True, "redirect_uris": ["http://127.0.0.1/"]},
        "/body/first_party",
    ),
    ({"kind": "wizard"}, "/body/kind"),
    ({"post_logout_redirect_uris": ["javascript:alert(1)"]}, "/body/post_logout_redirect_uris"),
    ({"post_logout_redirect_uris": ["http://app.example.com/"]}, "/body/post_logout_redirect_uris"),
    (
        {"kind": "service", "redirect_uris": [], "post_logout_redirect_uris": [CALLBACK]},
        "/body/post_logout_redirect_uris",
    ),
    ({"kind": "browser", "backchannel_logout_uri": CALLBACK}, "/body/backchannel_logout_uri"),
    ({"backchannel_logout_uri": "javascript:alert(1)"}, "/body/backchannel_logout_uri"),
    ({"backchannel_logout_uri": f"{CALLBACK}#x"}, "/body/backchannel_logout_uri"),
    ({"backchannel_logout_uri": "https://a@app.example.com/"}, "/body/backchannel_logout_uri"),
    ({"backchannel_logout_uri": "http://app.example.com/"}, "/body/backchannel_logout_uri"),
    ({"backchannel_logout_uri": "https://10.0.0.1/"}, "/body/backchannel_logout_uri"),
    ({"backchannel_logout_uri": "https://[::ffff:127.0.0.1]/"}, "/body/backchannel_logout_uri"),
    ({"backchannel_logout_uri": "https://localhost/"}, "/body/backchannel_logout_uri"),
    ({"backchannel_logout_uri": "https://169.254.169.254/"}, "/body/backchannel_logout_uri"),
    ({"backchannel_logout_session_required": True}, "/body/backchannel_logout_session_required"),
    ({"id_token_alg": "none"}, "/body/id_token_alg"),
    ({"id_token_alg": "HS256"}, "/body/id_token_alg"),
]


@pytest.mark.parametrize(("given", "pointer"), UNFIT)
async def test_what_does_not_fit_the_kind_is_refused(
    world: World, admin: SignedIn, given: dict[str, Any], pointer: str
) -> None:
    answer = await register(world, admin, **given)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_an_app_is_changed_within_its_kind(world: World, admin: SignedIn) -> None:
    path = f"/admin/clients/{(await register(world, admin)).json()['id']}"
    there = "https://app.example.com/there"

    async def change(**given: Any) -> httpx.Response:
        return await world.api.patch(path, json=given, headers=admin.headers)

    moved = await change(redirect_uris=[there], first_party=True, id_token_alg="ES256")
    wrong = await change(redirect_uris=["http://127.0.0.1/"])
    none = await change(redirect_uris=[])
    kind = await change(kind="native")

    assert moved.json()["redirect_uris"] == [there]
    assert moved.json()["first_party"] is True
    assert (wrong.status_code, none.status_code, kind.status_code) == (422, 422, 422)
    assert (await world.api.get(path, headers=admin.headers)).json() == moved.json()
    told = await world.db.fetchval(
        "SELECT new_values::text FROM audit_events WHERE action = 'client.changed'"
    )
    assert there in told


async def test_what_happens_at_a_sign_out_is_registered_and_removed(
    world: World, admin: SignedIn
) -> None:
    given = {
        "post_logout_redirect_uris": ["https://app.example.com/bye"],
        "backchannel_logout_uri": "https://app.example.com/hears?of=it",
        "backchannel_logout_session_required": True,
    }
    made = (await register(world, admin, **given)).json()
    path = f"/admin/clients/{made['id']}"

    async def change(**given: Any) -> dict[str, Any]:
        answer = await world.api.patch(path, json=given, headers=admin.headers)
        changed: dict[str, Any] = answer.json()
        return changed

    renamed = await change(name="Book")
    private = await change(backchannel_logout_uri="https://192.168.1.1/")
    removed = await change(backchannel_logout_uri=None, post_logout_redirect_uris=[])

    assert given.items() <= made.items()
    assert given.items() <= renamed.items()
    assert private["errors"][0]["pointer"] == "/body/backchannel_logout_uri"
    assert removed["backchannel_logout_uri"] is None
    assert removed["backchannel_logout_session_required"] is False
    assert removed["post_logout_redirect_uris"] == []


GOOD = [
    ("https://app.example.com/callback", ClientKind.WEB),
    ("https://app.example.com:8443/test/a/x/callback?dummy1=lorem&dummy2=ipsum", ClientKind.WEB),
    ("http://localhost:3000/api/auth/callback", ClientKind.WEB),
    ("http://127.0.0.1/", ClientKind.NATIVE),
    ("http://[::1]:51004/callback", ClientKind.NATIVE),
    ("com.example.app:/oauth2redirect", ClientKind.NATIVE),
    ("org.example.my-app:/", ClientKind.NATIVE),
]

HOSTILE = [
    "",
    "app.example.com/callback",
    "/callback",
    "//app.example.com/callback",
    "https:app.example.com/callback",
    "https:///callback",
    "https://",
    "https://app.example.com",
    "https://App.example.com/callback",
    "HTTPS://app.example.com/callback",
    "https://user@app.example.com/callback",
    "https://user:word@app.example.com/callback",
    "https://app.example.com@evil.example/callback",
    "https://app.example.com/callback#token",
    "https://app.example.com/callback#",
    "https://app.example.com/a/../callback",
    "https://app.example.com/./callback",
    "https://app.example.com\\callback",
    "https://app.example.com/call back",
    "https://app.example.com/\tcallback",
    "https://app.example.com/\ncallback",
    "https://app.example.com:99999/callback",
    "https://app.example.com:x/callback",
    "https://\u00e9.example/callback",
    "https://*.example.com/callback",
    "https://[::1/callback",
    "http://app.example.com/callback",
    "http://127.0.0.1.evil.example/callback",
    "http://localhost.evil.example/callback",
    "http://127.1/callback",
    "http://2130706433/callback",
    "http://0.0.0.0/callback",
    "http://user@127.0.0.1/callback",
    "http://127.0.0.1:080x/callback",
    "javascript:alert(1)",
    "JAVASCRIPT:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "blob:https://app.example.com/x",
    "about:blank",
    "myapp:/callback",
    "com.example.app://callback",
    "com.example.app:callback",
    "urn:ietf:wg:oauth:2.0:oob",
    "https://app.example.com/" + "x" * 500,
]


@pytest.mark.parametrize(("uri", "kind"), GOOD)
def test_a_good_place_to_return_to(uri: str, kind: ClientKind) -> None:
    assert ensure_redirect_uri(uri, kind) == uri


@pytest.mark.parametrize("uri", HOSTILE)
def test_a_hostile_place_to_return_to_is_registered_by_no_kind(uri: str) -> None:
    for kind in ClientKind:
        with pytest.raises(ValueError, match=r"should|port|Port|IPv6|Invalid"):
            ensure_redirect_uri(uri, kind)


def test_a_place_after_a_sign_out_may_be_a_host_alone_and_nothing_else_that_is_hostile() -> None:
    for uri in ("https://app.example.com", "http://localhost:3000", "https://app.example.com/bye"):
        assert ensure_uri_after_logout(uri, ClientKind.WEB) == uri
    for uri in [one for one in HOSTILE if one != "https://app.example.com"]:
        for kind in ClientKind:
            with pytest.raises(ValueError, match=r"should|port|Port|IPv6|Invalid"):
                ensure_uri_after_logout(uri, kind)
