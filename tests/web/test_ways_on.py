"""The way on survives a mail: the place to return to is in its link, and nowhere else's."""

from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import World
from tests.web.test_signing_in import OURS

WAY_ON = "/auth/ui/account?a=1&b=2#c"
IN_LINK = "?return_to=%2Fauth%2Fui%2Faccount%3Fa%3D1%26b%3D2%23c#token="


async def test_a_link_of_recovery_and_of_verification_leads_on(
    world: World, mailbox: Mailbox
) -> None:
    await world.make_user()
    async with world.client(**OURS) as page:
        await page.post("/ui/recover", data={"email": "ada@example.com", "return_to": WAY_ON})
        recovery = await mailbox.next(to="ada@example.com")
        await page.post("/ui/recover", data={"email": "ada@example.com", "return_to": "//e.vil"})
        hostile = await mailbox.next(to="ada@example.com")
        token = recovery.tokens()[0]
        chosen = {"token": token, "new_password": "lovely engines 1843", "return_to": WAY_ON}
        done = await page.post("/ui/recover/set", data=chosen)

    assert f"/ui/recover{IN_LINK}" in recovery.links()[0]
    assert "/ui/recover#token=" in hostile.links()[0]
    assert done.headers["location"].startswith("/auth/ui/signed-in?return_to=%2Fauth%2Fui%2Facc")
