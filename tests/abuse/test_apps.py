"""Apps that get more than their user allows them, or for longer."""

import asyncio
from collections.abc import AsyncIterator
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
from tests.fixtures.links import OTHER, forget_proof, recover, recovery_token
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.programs import Program
from tests.fixtures.waiting import until_somebody_waits
from tests.fixtures.world import World
from tests.web.account_pages import signed_in, text_of

from keyfob.accounts import locks


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
