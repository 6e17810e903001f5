"""Cookies of a step or a session that somebody has made up, or changed at any place."""

from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.hostile import each_change
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import signed_in
from tests.web.markup import OURS

COOKIE = "keyfob-http"


async def test_a_forged_step_or_session_begins_anew(world: World, clock: MovableClock) -> None:
    await world.make_user()
    own = await world.log_in()
    async with signed_in(world) as ada:
        session = ada.cookies[COOKIE]
    await add_totp(world, own, clock)
    async with world.client(**OURS) as browser:
        body = {"email": "ada@example.com", "password": PASSWORD}
        await browser.post("/ui/sign-in", data=body)
        step = browser.cookies["keyfob-step-http"]
    kind, token, email = step.split(".")
    changed = [f"{kind}.{one}.{email}" for one in each_change(token, start=4)[::4]]
    for forged in [*changed, f"{kind}.{token}", f"choosing.{token}.{email}", "factor..", "ы", "-"]:
        async with world.client(**OURS) as browser:
            told = {"Cookie": f"keyfob-step-http={forged}".encode()}
            asked = await browser.get("/ui/factor", headers=told)
            sent = await browser.post("/ui/factor", data={"code": "123456"}, headers=told)
        for answer in (asked, sent):
            assert answer.headers["location"].startswith("/auth/ui/sign-in?why=step_ended"), forged
    for forged in [*each_change(session, start=4)[::4], session[:-1], "kfb_", "ы"]:
        async with world.client(**OURS) as browser:
            told = {"Cookie": f"{COOKIE}={forged}".encode()}
            assert (await browser.get("/ui/account", headers=told)).status_code == 303, forged
