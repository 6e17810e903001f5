"""Apps that get more than their user allows them, or for longer."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from tests.fixtures.apps import (
    CALLBACK,
    App,
    allowed,
    answer_of,
    decided,
    make_app,
    onward,
)
from tests.fixtures.clock import MovableClock
from tests.fixtures.device_apps import decide, make_device_app, typed
from tests.fixtures.factors import add_totp
from tests.fixtures.links import OTHER, forget_proof, recover, recovery_token
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.programs import BILLING, ORDERS, Program, make_resource
from tests.fixtures.waiting import until_somebody_waits
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import signed_in, text_of

from keyfob.accounts import locks
from keyfob.authority.roles import Roles
from keyfob.clients.resources import Resources
from keyfob.core.clock import Clock
from keyfob.settings import Settings


@pytest.fixture
async def ada_id(world: World) -> UUID:
    """The user, whose address is verified."""
    return await world.make_user(name="Ada")


@pytest.fixture
async def browser(world: World, ada_id: UUID) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(world) as browser:
        yield browser


async def change(app: App, **fields: object) -> None:
    """Change how an app is registered, so that its tokens live on."""
    await Program(app.world, app.id, app.secret or "").change(revokes=False, **fields)


async def is_asked(browser: httpx.AsyncClient, app: App, **asked: str | None) -> bool:
    """Tell whether the user is asked before the app gets a code."""
    page = await onward(browser, await app.send(browser, **asked))
    if "Allow Ledger?" in text_of(page):
        return True
    assert "code" in answer_of(page)
    return False


@pytest.mark.parametrize("first_party", [False, True])
async def test_a_place_that_was_taken_from_an_app_gets_no_code(
    world: World, browser: httpx.AsyncClient, *, first_party: bool
) -> None:
    """Threat: the place is somebody else's by now, who has stored requests before."""
    lost = "https://lost.example.com/callback"
    app = await make_app(world, redirect_uris=(CALLBACK, lost), first_party=first_party)
    sent = await app.send(browser, redirect_uri=lost, prompt="consent")
    page = await onward(browser, sent)
    await change(app, redirect_uris=(CALLBACK,))

    answers = [
        await decided(browser, page, "allow"),
        await decided(browser, page, "deny"),
        await onward(browser, sent),
    ]

    assert [answer.status_code for answer in answers] == [400, 400, 400]
    assert not any("lost.example.com" in answer.text for answer in answers)
    assert await world.db.fetchval("SELECT count(*) FROM authorization_codes") == 0


async def test_an_app_that_asks_while_it_loses_the_consent_gets_no_code(
    world: World, browser: httpx.AsyncClient, ada_id: UUID
) -> None:
    app = await make_app(world)
    await app.code(browser)

    async with world.db.begin() as tx:
        await locks.lock(tx, ada_id)
        sending = asyncio.create_task(app.send(browser))
        await until_somebody_waits(world.db)
        await tx.execute("DELETE FROM consents")
    answer = answer_of(await sending)

    assert answer["error"] == "access_denied"
    assert "code" not in answer


async def test_what_a_stranger_allowed_before_the_first_proof_is_forgotten(
    world: World, mailbox: Mailbox, browser: httpx.AsyncClient
) -> None:
    app = await make_app(world)
    await app.tokens(browser, scope="openid offline_access")
    await forget_proof(world)

    assert (await recover(world, await recovery_token(world, mailbox))).status_code == 204

    async with signed_in(world, password=OTHER) as owners:
        assert await is_asked(owners, app, scope="openid")


async def test_what_was_allowed_before_a_recovery_is_forgotten(
    world: World, mailbox: Mailbox, browser: httpx.AsyncClient
) -> None:
    """Threat: a thief of the password has allowed it."""
    app = await make_app(world)
    await app.code(browser)

    assert (await recover(world, await recovery_token(world, mailbox))).status_code == 204

    async with signed_in(world, password=OTHER) as owners:
        assert await is_asked(owners, app)
        await allowed(owners, await app.send(owners))
        assert not await is_asked(owners, app)


@pytest.mark.parametrize("scope", ["openid email", "openid email offline_access read"])
async def test_what_is_asked_about_a_person_is_no_right_at_an_api(
    world: World, browser: httpx.AsyncClient, *, scope: str
) -> None:
    """Threat: an API calls a right `email`; every app would have it there, unregistered."""
    await make_resource(world, ORDERS, ("email", "read"))
    app = await make_app(world, scope=("read",), resources=(ORDERS,))
    root = await world.make_admin()

    tokens = await app.tokens(browser, scope=scope, resource=ORDERS)
    renewed = (await app.refresh(tokens["refresh_token"])).json()
    named = {"identifier": "https://mail.example.com", "name": "Mail", "scopes": {"email": {}}}
    refused = await world.api.post("/admin/resources", json=named, headers=root.headers)

    assert "email" not in f"{tokens.get('scope')} {renewed.get('scope')}"
    assert "id_token" in tokens
    assert refused.status_code == 422


@pytest.mark.parametrize("path", ["revoke", "token"])
async def test_who_names_a_public_client_stops_nobody_else_who_has_it(
    settings: Settings, clock: MovableClock, world: World, path: str
) -> None:
    app = await make_app(world, public=True)
    limits = {"limits": "on", "limit_revoke": "2/minute", "limit_client": "4/minute"}
    form = {"client_id": str(app.id), "token": "kfg_" + "A" * 96, "grant_type": "x"}
    async with World(settings.model_copy(update=limits), clock) as tight:
        codes = {}
        for address in ("198.51.100.7", "203.0.113.9"):
            async with tight.client(address) as caller:
                codes[address] = [
                    (await caller.post(f"/oauth2/{path}", data=form)).status_code for _ in range(6)
                ]

    strangers, owners = codes.values()
    assert strangers[-1] == 429
    assert owners == strangers


async def test_a_form_of_another_site_uses_up_no_proofs_of_the_reader(
    settings: Settings, clock: MovableClock, ada_id: UUID
) -> None:
    """A page below the same domain: the browser adds the cookie."""
    tight = settings.model_copy(update={"limits": "on", "limit_me_password": "2/minute"})
    async with World(tight, clock) as limited, signed_in(limited) as browser:
        app = await make_app(limited)
        form = {**app.query(), "step-up-password": "a guess"}
        from_there = {"Sec-Fetch-Site": "same-site"}

        sent = [
            await browser.post("/oauth2/authorize", data=form, headers=from_there) for _ in range(3)
        ]
        proof = {"step-up-password": PASSWORD}
        proven = await browser.post("/ui/step-up", data=proof)

    assert [answer.status_code for answer in sent] == [303, 303, 303]
    assert proven.status_code == 303


async def test_a_right_that_ends_leaves_no_app_behind(world: World, ada_id: UUID) -> None:
    """Threat: an app learns of all who sign in by it, for as long as its secret is valid."""
    roles = world.service(Roles)
    async with world.db.begin() as tx:
        await roles.add(tx, "helper", ["clients:read", "clients:write"])
        tomorrow = world.service(Clock).now() + timedelta(days=1)
        await roles.give(tx, ada_id, "helper", given_by=None, expires_at=tomorrow)
    ada = await world.log_in()
    before = await make_app(world)
    asked = {"name": "Mine", "kind": "web", "redirect_uris": [CALLBACK], "first_party": True}

    answers = [
        await world.api.post("/admin/clients", json=asked, headers=ada.headers),
        await world.api.post(f"/admin/clients/{before.id}/secrets", json={}, headers=ada.headers),
        await world.api.patch(
            f"/admin/clients/{before.id}",
            json={"redirect_uris": ["https://evil.example.com/"]},
            headers=ada.headers,
        ),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]


async def test_what_is_allowed_at_one_api_is_not_allowed_at_another(
    world: World, browser: httpx.AsyncClient, ada_id: UUID
) -> None:
    """Both have a right of the same name, and the app asks for them one after the other."""
    for api in (ORDERS, BILLING):
        await make_resource(world, api, ("read", "write"))
    app = await make_app(world, scope=("read", "write"), resources=(ORDERS, BILLING))
    reading = {"scope": "openid read", "resource": ORDERS}
    writing = {"scope": "openid write", "resource": BILLING}
    await app.code(browser, **reading)
    await app.code(browser, **writing)

    assert await is_asked(browser, app, scope="openid write", resource=ORDERS)
    assert not await is_asked(browser, app, **reading)
    assert not await is_asked(browser, app, **writing)
    ada = await world.log_in()
    (listed,) = (await world.api.get("/me/grants", headers=ada.headers)).json()
    (exported,) = (await world.api.get("/me/export", headers=ada.headers)).json()["consents"]
    assert set(listed["scope"]) == set(exported["scope"]) == {"openid", "read", "write"}


@pytest.mark.parametrize("remedy", ["all others are signed out", "a new password"])
async def test_what_waits_for_an_app_is_gone_with_all_other_sign_ins(
    world: World, browser: httpx.AsyncClient, remedy: str
) -> None:
    """Threat: a device that its user was talked into allowing asks when they feel safe again."""
    app, tv = await make_app(world), await make_device_app(world)
    codes = await tv.codes(scope="openid offline_access")
    await typed(browser, codes["user_code"])
    await decide(browser, codes["user_code"])
    code = await app.code(browser)

    if remedy == "a new password":
        new = {"current_password": PASSWORD, "new_password": "quite another battery"}
        answer = await browser.post("/ui/account/password", data=new)
    else:
        answer = await browser.post("/ui/account/sessions/end-others")

    assert answer.status_code == 303
    assert (await tv.poll(codes)).json()["error"] == "invalid_grant"
    assert (await app.exchange(code)).json()["error"] == "invalid_grant"
    assert (await browser.get("/ui/account")).status_code == 200


async def test_the_page_says_what_is_asked_for_at_each_api(
    world: World, browser: httpx.AsyncClient
) -> None:
    """Threat: the words of a harmless API stand for the right of that name at another."""
    await make_resource(world, ORDERS, scopes=["read"])
    await make_resource(world, BILLING, scopes=["read", "write"])
    await world.db.execute(
        "UPDATE resources SET name = 'Ill notes', scopes = $2 WHERE identifier = $1",
        BILLING,
        json.dumps({"read": {"en": "Read what your doctor writes"}, "write": {"en": "Write it"}}),
    )
    await world.service(Resources).load()
    app = await make_app(world, scope=("read", "write"), resources=(ORDERS, BILLING))

    both = await onward(browser, await app.send(browser, scope="read", resource=[BILLING, ORDERS]))
    none = await onward(browser, await app.send(browser, scope="openid", resource=BILLING))

    assert "Read what your doctor writes" in text_of(both)
    assert f"at Ill notes ({BILLING})" in text_of(both)
    assert f"at {ORDERS} ({ORDERS})" in text_of(both)
    assert "Read what your doctor writes" not in text_of(none)
    assert f"at Ill notes ({BILLING})" in text_of(none)


async def test_a_sign_in_without_the_factor_that_its_user_has_opens_no_app(
    world: World, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    """Threat: a thief signed in with the password alone, and the owner adds a factor after it."""
    app = await make_app(world, first_party=True)
    assert not await is_asked(browser, app)
    await add_totp(world, await world.log_in(), clock)

    page = await onward(browser, await app.send(browser))
    silent = answer_of(await app.send(browser, prompt="none"))

    assert "Is it you?" in text_of(page)
    assert silent["error"] == "interaction_required"


async def test_what_waits_for_an_app_since_before_a_factor_is_worth_nothing(
    world: World, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    app, tv = await make_app(world), await make_device_app(world)
    codes = await tv.codes(scope="openid offline_access")
    await typed(browser, codes["user_code"])
    await decide(browser, codes["user_code"])
    code = await app.code(browser)
    page = await onward(browser, await app.send(browser, prompt="consent"))

    await add_totp(world, await world.log_in(), clock)

    assert (await app.exchange(code)).json()["error"] == "invalid_grant"
    assert (await tv.poll(codes)).json()["error"] == "invalid_grant"
    assert "Is it you?" in text_of(await onward(browser, await decided(browser, page, "allow")))
