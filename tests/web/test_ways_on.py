"""The way on survives a mail in the browser that asked for it, and is in no mail."""

from tests.fixtures.clock import MovableClock
from tests.fixtures.links import ADA, forget_proof
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import World
from tests.web.test_signing_in import OURS

WAY_ON = "/auth/ui/account?a=1&b=%2F;c=é#d"
ENCODED = "return_to=%2Fauth%2Fui%2Faccount%3Fa%3D1%26b%3D%252F%3Bc%3D%C3%A9%23d"
IN_PAGE = ENCODED
THREAT = "/YOUR-ACCOUNT-IS-LOCKED.CALL-8-800-555-35-35-NOW"


async def test_a_mail_leads_on_in_the_browser_that_asked_for_it(
    world: World, mailbox: Mailbox
) -> None:
    await world.make_user()
    await forget_proof(world)
    async with world.client(**OURS) as page, world.client(**OURS) as other:
        for what in ("recover", "verify"):
            await page.post(f"/ui/{what}", data={"email": ADA, "return_to": WAY_ON})
            await mailbox.next(to=ADA)
            assert IN_PAGE in (await page.get(f"/ui/{what}")).text
            assert "return_to" not in (await other.get(f"/ui/{what}")).text
            page.cookies.clear()


async def test_it_leads_on_once(world: World, mailbox: Mailbox, clock: MovableClock) -> None:
    await world.make_user()
    async with world.client(**OURS) as page:
        await page.post("/ui/recover", data={"email": ADA, "return_to": WAY_ON})
        token = (await mailbox.next(to=ADA)).tokens()[0]
        chosen = {"token": token, "new_password": "lovely engines 1843", "return_to": WAY_ON}
        done = await page.post("/ui/recover/set", data=chosen)

        assert done.headers["location"] == f"/auth/ui/signed-in?{ENCODED}"
        assert "return_to" not in (await page.get("/ui/recover")).text


async def test_no_mail_has_words_that_a_stranger_chose_for_a_link(
    world: World, mailbox: Mailbox
) -> None:
    """Threat: our own mail, to an address that is not proven either, says what they like."""
    await world.make_user()
    await forget_proof(world)
    async with world.client(**OURS) as page:
        for what in ("recover", "verify"):
            await page.post(f"/ui/{what}", data={"email": ADA, "return_to": THREAT})
            mail = await mailbox.next(to=ADA)
            assert mail.tokens()
            assert "LOCKED" not in mail.text + mail.html
            assert "return_to" not in mail.text + mail.html


async def test_a_hostile_or_too_long_place_is_not_kept(world: World, mailbox: Mailbox) -> None:
    await world.make_user()
    async with world.client(**OURS) as page:
        for place in ("//e.vil", "https://e.vil/", "/" + "é" * 2000):
            await page.post("/ui/recover", data={"email": ADA, "return_to": place})
            await mailbox.next(to=ADA)
            assert "keyfob-return-http" not in page.cookies
        for forged in ("//e.vil", "https://e.vil/", "%00", "%ff"):
            page.cookies.set("keyfob-return-http", forged)
            assert "return_to" not in (await page.get("/ui/recover")).text
