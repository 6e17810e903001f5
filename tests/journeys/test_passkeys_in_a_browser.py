"""Passkeys as people use them: a real Chromium, a real service with two workers, virtual keys."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from bench.harness.cluster import free_port
from tests.fixtures.chromium import Page, PageFault, browsing, find_program
from tests.fixtures.hostile import claims_of
from tests.fixtures.world import PASSWORD, SignedIn
from tests.journeys.conftest import Instance, Start, wait_until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_program() is None, reason="there is no chromium here"),
]

ADMIN_PASSWORD = "quite another battery"

# What a page of an app would do, with what browsers bring.
SCRIPT = """
window.call = async (method, path, body, token) => {
    const answer = await fetch("/auth" + path, {
        method,
        headers: {
            ...(body && {"Content-Type": "application/json"}),
            ...(token && {"Authorization": "Bearer " + token}),
        },
        body: body && JSON.stringify(body),
    });
    return {status: answer.status, body: await answer.json()};
};
window.create = async (options) => (await navigator.credentials.create({
    publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options),
})).toJSON();
window.get = async (options) => (await navigator.credentials.get({
    publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options),
})).toJSON();
window.addPasskey = async (token, name) => {
    const {body: begun} = await call("POST", "/me/factors/passkeys/options", null, token);
    const credential = await create(begun.options);
    const body = {challenge_id: begun.challenge_id, name, credential};
    return await call("POST", "/me/factors/passkeys", body, token);
};
window.signIn = async () => {
    const {body: begun} = await call("POST", "/login/passkey/options");
    const credential = await get(begun.options);
    const body = {challenge_id: begun.challenge_id, credential};
    return await call("POST", "/login/passkey/verify", body);
};
window.signInWithBoth = async (email, password) => {
    const {body: asked} = await call("POST", "/login", {email, password});
    const waiting = {mfa_token: asked.mfa_token};
    const {body: options} = await call("POST", "/login/mfa/options", waiting);
    const credential = await get(options);
    return await call("POST", "/login/mfa", {...waiting, credential});
};
"""


@pytest.fixture(scope="module")
def service(start: Start) -> Instance:
    """Two workers on a database of their own, told only the address at which they are found."""
    port = free_port()
    instance = start(
        PORT=port,
        ISSUER=f"http://localhost:{port}/auth",
        ADMIN_PASSWORD=ADMIN_PASSWORD,
        WORKERS=2,
    )
    wait_until(lambda: instance.is_ready, seconds=120)
    return instance


@pytest.fixture
async def page(service: Instance) -> AsyncIterator[Page]:
    """A tab at a page of the service, whose policy lets scripts talk to the service alone."""
    async with browsing() as page:
        await page.go(f"{service.url}/docs")
        await page.run(SCRIPT)
        yield page


def register(service: Instance, email: str) -> SignedIn:
    """Register somebody whose address is vouched for: a factor needs one that is proven."""
    signed_in = SignedIn.of(service.register(email))
    service.keyfob("users", "mark-verified", email)
    return signed_in


async def do(page: Page, function: str, *arguments: str) -> dict[str, Any]:
    """Call one of the functions above."""
    told = ", ".join(json.dumps(argument) for argument in arguments)
    answer: dict[str, Any] = await page.run(f"{function}({told})")
    return answer


async def add_passkey(page: Page, caller: SignedIn, name: str = "Phone") -> dict[str, Any]:
    answer = await do(page, "addPasskey", caller.access, name)
    assert answer["status"] == 201, answer
    body: dict[str, Any] = answer["body"]
    return body


def refreshed(service: Instance, caller: SignedIn) -> SignedIn:
    return SignedIn.of(service.call("POST", "/refresh", json={"token": caller.refresh}))


async def test_a_passkey_is_added_and_signs_in_alone(service: Instance, page: Page) -> None:
    ada = register(service, "ada@example.com")
    phone = await page.plug_in()

    added = await add_passkey(page, ada, "Ada's phone")
    answer = await do(page, "signIn")

    assert (added["type"], added["name"]) == ("passkey", "Ada's phone")
    assert len(added["recovery_codes"]) == 10
    (held,) = await page.credentials_of(phone)
    assert (held["rpId"], held["isResidentCredential"]) == ("localhost", True)
    assert answer["status"] == 200
    claims = claims_of(answer["body"]["access_token"])
    assert claims["sub"] == claims_of(ada.access)["sub"]
    assert (claims["amr"], claims["acr"]) == (["pop", "user", "mfa"], "aal2")


async def test_it_signs_in_after_the_password_too(service: Instance, page: Page) -> None:
    bob = register(service, "bob@example.com")
    await page.plug_in("usb")
    await add_passkey(page, bob)

    answer = await do(page, "signInWithBoth", "bob@example.com", PASSWORD)

    assert answer["status"] == 200
    assert claims_of(answer["body"]["access_token"])["amr"] == ["pwd", "pop", "mfa"]


async def test_a_second_device_signs_in_as_well(service: Instance, page: Page) -> None:
    carol = register(service, "carol@example.com")
    phone = await page.plug_in()
    await add_passkey(page, carol, "Phone")
    carol = refreshed(service, carol)

    with pytest.raises(PageFault, match="InvalidStateError"):  # it holds a passkey of hers
        await add_passkey(page, carol, "Phone again")
    await page.unplug(phone)
    await page.plug_in("usb")
    await add_passkey(page, carol, "Key")
    answer = await do(page, "signIn")

    assert answer["status"] == 200
    headers = {"Authorization": f"Bearer {answer['body']['access_token']}"}
    listed = service.call("GET", "/me/factors", headers=headers).json()["factors"]
    assert [factor["name"] for factor in listed] == ["Phone", "Key"]
    assert [factor["last_used_at"] is not None for factor in listed] == [False, True]


async def test_a_copy_whose_counter_fell_behind_is_refused(service: Instance, page: Page) -> None:
    dave = register(service, "dave@example.com")
    key = await page.plug_in("usb")
    await add_passkey(page, dave)
    (stolen,) = await page.credentials_of(key)
    for _ in range(2):
        assert (await do(page, "signIn"))["status"] == 200
    (moved_on,) = await page.credentials_of(key)
    assert moved_on["signCount"] > stolen["signCount"] > 0
    await page.unplug(key)

    copy = await page.plug_in("usb")
    await page.call("WebAuthn.addCredential", authenticatorId=copy, credential=stolen)
    refused = await do(page, "signIn")

    assert (refused["status"], refused["body"]["code"]) == (401, "invalid_factor")
    admin = SignedIn.of(service.log_in("admin@example.com", ADMIN_PASSWORD))
    (event,) = service.call(
        "GET", "/admin/audit?action=passkey.cloned_counter", headers=admin.headers
    ).json()
    assert event["target_id"] == claims_of(dave.access)["sub"]
    assert event["old_values"]["sign_count"] == moved_on["signCount"]
    assert "passkey_cloned" in service.said


async def test_who_is_not_verified_is_stopped_by_the_browser(service: Instance, page: Page) -> None:
    erin = register(service, "erin@example.com")
    phone = await page.plug_in()
    await add_passkey(page, erin)
    await page.call("WebAuthn.setUserVerified", authenticatorId=phone, isUserVerified=False)

    with pytest.raises(PageFault, match="NotAllowedError"):
        await do(page, "signIn")


async def test_a_page_of_another_origin_cannot_use_it(service: Instance, page: Page) -> None:
    """The same service by another name is another origin, and no part of the domain."""
    await page.plug_in()
    await page.go(service.url.replace("localhost", "127.0.0.1") + "/docs")
    await page.run(SCRIPT)

    with pytest.raises(PageFault, match="SecurityError"):
        await do(page, "signIn")


async def test_a_removed_passkey_signs_in_no_more(service: Instance, page: Page) -> None:
    frank = register(service, "frank@example.com")
    await page.plug_in()
    added = await add_passkey(page, frank)
    frank = refreshed(service, frank)
    removed = service.call("DELETE", f"/me/factors/{added['id']}", headers=frank.headers)
    assert removed.status_code == 204

    refused = await do(page, "signIn")

    assert (refused["status"], refused["body"]["code"]) == (401, "invalid_factor")


async def test_options_of_one_worker_are_answered_to_another(service: Instance, page: Page) -> None:
    """Each call is on a connection of its own, and those are shared out evenly."""
    grace = register(service, "grace@example.com")
    await page.plug_in()
    await add_passkey(page, grace)

    for _ in range(6):
        begun = service.call("POST", "/login/passkey/options").json()
        body = {
            "challenge_id": begun["challenge_id"],
            "credential": await page.run(f"get({json.dumps(begun['options'])})"),
        }
        assert service.call("POST", "/login/passkey/verify", json=body).status_code == 200
        assert service.call("POST", "/login/passkey/verify", json=body).status_code == 401
