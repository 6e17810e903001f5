"""The height of rows is the reader's: a link changes it, and it is remembered."""

from tests.fixtures.world import World
from tests.web.account_pages import signed_in

from keyfob.authority.models import Role


async def test_low_rows_are_asked_for_once_and_remembered(world: World) -> None:
    await world.make_user("root@example.com", role=Role.ADMIN)
    async with signed_in(world, "root@example.com") as page:
        usual = await page.get("/console/users?role=admin")
        low = await page.get("/console/users?role=admin&height=compact")
        later = await page.get("/console/logins")
        odd = await page.get("/console/logins?height=huge")
        high = await page.get("/console/users?height=roomy")

    assert 'href="?role=admin&amp;height=compact"' in usual.text
    assert 'href="?role=admin&amp;height=roomy"' in low.text
    kept = [" data-compact" in one.text for one in (usual, low, later, odd, high)]
    assert kept == [False, True, True, True, False]
