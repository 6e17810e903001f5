"""The console in a real Chromium: the room that names have, and its keys."""

from collections.abc import AsyncIterator

import pytest
from tests.fixtures.chromium import find_program
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World
from tests.web.account_pages import signed_in
from tests.web.in_chromium import Reader, reading

from keyfob.authority.models import Role

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(find_program() is None, reason="there is no chromium here"),
]

LONG = "Константин Константинопольский"
_WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_ROOM = """(() => {
    const table = document.querySelector("table");
    const lines = [...document.querySelectorAll("[data-row] .who")]
        .filter((one) => one.textContent.includes("@department"));
    return [table.getBoundingClientRect().right - table.parentElement.getBoundingClientRect().right,
        Math.min(...lines.map((one) => one.clientWidth))];
})()"""


@pytest.fixture
async def reader(world: World, clock: MovableClock) -> AsyncIterator[Reader]:
    await world.make_user("root@example.com", role=Role.ADMIN, name="Root")
    for number in range(3):
        email = f"konstantin.konstantinopolsky{number}@department.example.com"
        await world.make_user(email, name=f"{LONG} {number}")
    await world.db.execute("UPDATE users SET email_verified_at = NULL WHERE role = 'user'")
    async with signed_in(world, "root@example.com") as root, reading(root, clock.now()) as reader:
        yield reader


async def test_names_and_addresses_have_room_at_every_width(reader: Reader) -> None:
    faults = []
    for language in ("en", "ru"):
        for width in (390, 722, 800, 890, 910, 1000, 1081, 1200, 1300, 1345, 1440):
            await reader.page.set_viewport_size({"width": width, "height": 800})
            await reader.open(f"/console/users?lang={language}")
            beyond, room = await reader.page.evaluate(_ROOM)
            if beyond > 0 or room < 140 or await reader.page.evaluate(_WIDER) > 0:
                faults.append((language, width, beyond, room))

    assert faults == []


async def test_keys_move_in_each_list_and_lead_back_to_it(reader: Reader) -> None:
    page = reader.page
    for path in ("/console/logins", "/console/audit", "/console/users"):
        await reader.open(path)
        await page.keyboard.press("j")
        await page.keyboard.press("j")
        assert await page.locator("[data-row].current a:focus").count() == 1, path
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console/users/*-*")
    await page.keyboard.press("Escape")
    await page.wait_for_url("**/console/users")


async def test_whoever_has_switched_keys_off_finds_the_switch_in_the_menu(reader: Reader) -> None:
    page = reader.page
    await reader.open("/console/users")
    for is_on in (True, False):
        await page.keyboard.press("?")
        assert await page.locator("#key-list").is_visible() == is_on
        if not is_on:
            await page.get_by_role("button", name="Your menu").click()
            await page.get_by_role("button", name="Keys", exact=True).click()
        await page.locator("[data-keys]").click()
        await page.locator("#key-list").get_by_role("button", name="Close").click()
    await page.keyboard.press("?")
    assert await page.locator("#key-list").is_visible()
