"""KEYFOB_PAGES=off: links of mails work, and nobody gets a cookie."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from tests.fixtures.links import ADA, OTHER, ask, forget_proof, recovery_token, token_from
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import World
from tests.web.account_pages import text_of
from tests.web.markup import OURS, open_link, send

from keyfob.settings import Settings


@pytest.fixture
async def page(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.client(**OURS) as browser:
        yield browser


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"pages": False})


async def test_links_work_without_any_cookie(
    mailbox: Mailbox, world: World, page: httpx.AsyncClient
) -> None:
    await world.make_user()
    token = await recovery_token(world, mailbox)
    chosen = await send(
        page,
        await open_link(page, "recover", token),
        "/ui/recover/set",
        new_password=OTHER,
    )
    await forget_proof(world)
    await ask(world, "/verify-email/request")
    shown = await open_link(page, "verify", await token_from(mailbox, subject="Confirm"))
    verified = await send(page, shown, "/ui/verify/confirm", password=OTHER)

    assert (chosen.status_code, verified.status_code) == (200, 200)
    assert "Your password is set" in text_of(chosen)
    assert "Your address is confirmed" in text_of(verified)
    assert dict(page.cookies) == {}
    assert await world.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == 0


async def test_nothing_leads_to_a_page_that_is_not_there(
    world: World, page: httpx.AsyncClient
) -> None:
    for path in ("sign-in", "register", "password", "factor", "account", "sign-out"):
        assert (await page.get(f"/ui/{path}")).status_code == 404
        assert (await page.post(f"/ui/{path}", data={"email": ADA})).status_code in {404, 405}
    for what in ("recover", "invite", "verify", "email"):
        shown = await page.get(f"/ui/{what}")
        for link in re.findall(r'(?:href|action)="/auth(/ui/[^"#?]*)', shown.text):
            if not link.endswith("/open"):
                assert (await page.get(link)).status_code == 200, link
        assert "data-keeps-zone" not in shown.text  # nor does the script set a cookie
    await page.get("/ui/recover?lang=ru")
    await page.post("/ui/recover", data={"email": ADA, "return_to": "/auth/docs"})
    assert dict(page.cookies) == {}
