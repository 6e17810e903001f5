"""Questions in dialogs, and toasts, in a real Chromium: nothing of the page is lost."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator

import asyncpg
import pyotp
import pytest
from bench.harness.cluster import free_port
from playwright.sync_api import Browser, Locator, expect, sync_playwright
from tests.fixtures.chromium import find_program
from tests.fixtures.postgres import create_empty_database
from tests.journeys.conftest import Instance, Start, wait_until
from tests.journeys.people_at_pages import Person, person

from keyfob.core.clock import Clock

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_program() is None, reason="there is no chromium here"),
]

ADMIN = "admin@example.com"
MIA = "mia@example.com"
PASSWORD = "quite another battery"

Do = Callable[[str], None]


@pytest.fixture(scope="module")
def database(postgres: str) -> str:
    return create_empty_database(postgres, "dialogs")


@pytest.fixture(scope="module")
def aside() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread of its own: Playwright's runs in this one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="module")
def do(aside: asyncio.AbstractEventLoop, database: str) -> Iterator[Do]:
    """Run a statement on the service's database, always on the same connection."""
    opened = asyncio.run_coroutine_threadsafe(asyncpg.connect(database), aside).result()

    def execute(statement: str) -> None:
        asyncio.run_coroutine_threadsafe(opened.execute(statement), aside).result()

    yield execute
    asyncio.run_coroutine_threadsafe(opened.close(), aside).result()


@pytest.fixture(scope="module")
def service(start: Start, database: str) -> Instance:
    port = free_port()
    instance = start(
        PORT=port,
        ISSUER=f"http://localhost:{port}/auth",
        DATABASE_URL=database,
        SECRET_KEY="a secret key that every start knows",
        ADMIN_PASSWORD=PASSWORD,
        LIMITS="off",
        DATABASE_COMMAND_TIMEOUT=60,  # a test holds the service up
    )
    wait_until(lambda: instance.is_ready, seconds=120)
    return instance


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_program(), args=["--no-sandbox"])
        yield browser
        browser.close()


def grow_old(do: Do) -> None:
    """Make all sign-ins an hour older."""
    do("UPDATE sessions SET auth_time = auth_time - interval '1 hour'")


def sign_in(admin: Person, path: str = "/console/users") -> None:
    admin.open(f"/ui/sign-in?return_to=/auth{path}")
    admin.sign_in(ADMIN, PASSWORD)
    admin.wait_for(path)


def invite(admin: Person, *names: str) -> None:
    for name in names:
        admin.open("/console/users/new")
        admin.page.get_by_label("E-mail address").fill(f"{name.lower()}@example.com")
        admin.page.get_by_label("Name").fill(name)
        admin.press("Invite")
        expect(admin.page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def dialog_of(admin: Person) -> Locator:
    return admin.page.locator("dialog[open]")


def test_a_proof_is_asked_for_in_a_dialog_and_nothing_is_lost(
    service: Instance, chromium: Browser, do: Do
) -> None:
    with person(chromium, service) as admin:
        sign_in(admin)
        invite(admin, "Ann")
        admin.open("/console/users?search=ann")
        grow_old(do)
        box = admin.page.locator("[data-pick]").first
        box.check()
        again, keys = admin.page.get_by_role("button", name="Invite again"), admin.page.keyboard
        again.focus()

        keys.press("Enter")
        expect(dialog_of(admin).get_by_role("heading", name="Is it you?")).to_be_visible()
        expect(dialog_of(admin).get_by_label("Your password")).to_be_focused()
        assert admin.faults() == []
        keys.press("Escape")
        expect(dialog_of(admin)).to_have_count(0)
        expect(again).to_be_focused()
        expect(box).to_be_checked()

        keys.press("Enter")
        expect(dialog_of(admin).get_by_label("Your password")).to_be_focused()
        keys.type("not this one")
        keys.press("Enter")
        expect(dialog_of(admin).get_by_role("alert")).to_be_focused()
        dialog_of(admin).get_by_label("Your password").fill(PASSWORD)
        keys.press("Enter")
        expect(admin.page.get_by_text("Done: 1, refused: 0")).to_be_visible()


def test_a_download_and_a_question_go_on_where_they_were(
    service: Instance, chromium: Browser, do: Do
) -> None:
    with person(chromium, service) as admin:
        sign_in(admin, "/ui/account/data")
        grow_old(do)
        admin.press("Erase my account")
        dialog_of(admin).get_by_role("button", name="Erase my account").click()
        expect(dialog_of(admin)).to_have_count(1)  # the proof is asked for in the same one
        expect(dialog_of(admin).get_by_label("Your password")).to_be_focused()
        dialog_of(admin).get_by_role("link", name="Cancel").click()
        opener = admin.page.get_by_role("button", name="Erase my account")
        expect(opener).to_be_focused()
        opener.click()
        expect(dialog_of(admin).get_by_role("button", name="Erase my account")).to_be_visible()
        admin.page.keyboard.press("Escape")

        with admin.page.expect_download() as download:
            admin.press("Download")
            dialog_of(admin).get_by_label("Your password").fill(PASSWORD)
            admin.page.keyboard.press("Enter")
        assert download.value.suggested_filename.endswith(".json")
        expect(dialog_of(admin)).to_have_count(0)
        expect(admin.page.get_by_role("button", name="Download")).to_be_focused()


def test_a_passkey_or_a_code_proves_it_in_the_dialog(
    service: Instance, chromium: Browser, do: Do
) -> None:
    made = json.loads(service.keyfob("users", "create", MIA, "--role", "admin", "--json"))
    service.keyfob("users", "mark-verified", MIA)
    with person(chromium, service) as mia:
        mia.open("/ui/sign-in")
        mia.sign_in(MIA, made["password"])
        mia.wait_for("/ui/account")
        secret = mia.add_app()
        mia.press("I have kept them")
        grow_old(do)
        mia.page.get_by_role("link", name="Add a passkey").last.click()
        code = pyotp.TOTP(secret).at(Clock().timestamp() + 30)  # the present one was used
        dialog_of(mia).get_by_label("Code of your authenticator app").fill(code)
        mia.page.keyboard.press("Enter")
        mia.wait_for("/ui/account/passkeys/new")  # a link is followed
        mia.plug_in()
        mia.page.get_by_label("Name").fill("Laptop")
        mia.press("Go on")
        mia.wait_for("/ui/account/security")

        grow_old(do)
        mia.open("/console/users?search=mia")
        with mia.page.expect_download():
            mia.press("Export")
            dialog_of(mia).get_by_role("button", name="Use a passkey").click()
        expect(dialog_of(mia)).to_have_count(0)


def test_without_scripts_a_page_asks_and_goes_on(
    service: Instance, chromium: Browser, do: Do
) -> None:
    with person(chromium, service, java_script_enabled=False) as admin:
        sign_in(admin, "/ui/account/security")
        grow_old(do)
        admin.page.get_by_role("link", name="Change the password").click()
        expect(admin.page.get_by_role("heading", name="Is it you?")).to_be_visible()
        admin.page.get_by_label("Your password").fill(PASSWORD)
        admin.press("Go on")
        admin.wait_for("/ui/account/password")


def test_a_toast_offers_undo_to_the_keyboard_and_waits(
    service: Instance, chromium: Browser
) -> None:
    with person(chromium, service) as admin:
        sign_in(admin)
        invite(admin, "Eve")
        admin.page.clock.install()
        admin.open("/console/users?search=eve")
        admin.page.get_by_role("button", name="Actions for Eve").click()
        admin.press("Block")
        toast = admin.page.get_by_role("status").filter(has_text="Eve is blocked")
        expect(toast).to_be_visible()
        # It is said once: a reload does not say it again.
        expect(admin.page).to_have_url(f"{service.url}/console/users?search=eve")
        assert admin.faults() == []

        undo = admin.page.get_by_role("button", name="Undo")
        undo.hover()
        admin.page.clock.run_for(30_000)
        expect(undo).to_be_visible()  # it does not vanish under the pointer
        admin.page.mouse.move(5, 5)
        for _ in range(2):
            admin.page.keyboard.press("Tab")  # the link to the content, and then this
        expect(undo).to_be_focused()
        admin.page.clock.run_for(30_000)
        admin.page.keyboard.press("Enter")
        toast = admin.page.get_by_role("status").filter(has_text="Eve is as before")
        expect(toast).to_be_visible()
        expect(undo).to_have_count(0)
        admin.page.clock.run_for(7_000)
        expect(toast).to_have_count(0)


@pytest.mark.parametrize("scripts", [True, False])
def test_a_change_of_many_shows_how_far_it_is(
    service: Instance, chromium: Browser, do: Do, scripts: bool
) -> None:
    many = f"many{scripts}".lower()
    for at in range(30):
        service.register(f"{many}{at}@example.com")
    with person(chromium, service, java_script_enabled=scripts) as admin:
        sign_in(admin)
        admin.open(f"/console/users?search={many}")
        admin.page.locator("[data-pick]").first.check()
        admin.page.get_by_label("All 30 that match").check()
        block = admin.page.locator("#bulk").get_by_role("button", name="Block", exact=True)
        do(f"BEGIN; SELECT FROM users WHERE email = '{many}29@example.com' FOR UPDATE")
        block.click(no_wait_after=True)
        expect(admin.page.get_by_text("29 of 30")).to_be_visible()
        expect(admin.page.get_by_role("progressbar")).to_have_count(1)  # the last step
        expect(admin.page.get_by_text("Leave this page open")).to_be_visible()
        do("COMMIT")
        expect(admin.page.get_by_role("heading", name="Report")).to_be_visible()
        expect(admin.page.get_by_role("progressbar")).to_have_count(0)
        expect(admin.page.get_by_text("Done: 30, refused: 0")).to_be_visible()
        if scripts:
            assert admin.faults() == []
        admin.page.get_by_role("link", name="Back to the users").click()
        admin.page.wait_for_url(f"**/console/users?search={many}")


def test_questions_are_asked_over_the_list_which_stays_as_it_is(
    service: Instance, chromium: Browser
) -> None:
    with person(chromium, service) as admin:
        sign_in(admin)
        invite(admin, "Ida", "Ivy")
        admin.open("/console/users?search=@example.com")
        boxes, keys = admin.page.locator("[data-pick]"), admin.page.keyboard
        boxes.nth(0).check()
        boxes.nth(1).check()
        remove = admin.page.locator("#bulk").get_by_role("button", name="Remove…")

        remove.click()
        expect(dialog_of(admin).get_by_role("heading", name="Remove 2 users?")).to_be_visible()
        expect(dialog_of(admin).get_by_text("0 sessions end.")).to_be_visible()
        expect(dialog_of(admin).get_by_text("Cancel")).to_be_focused()
        assert admin.faults() == []
        keys.press("Enter")
        expect(dialog_of(admin)).to_have_count(0)
        expect(remove).to_be_focused()
        expect(boxes.nth(1)).to_be_checked()
        remove.click()
        dialog_of(admin).get_by_role("button", name="Remove them").click()
        expect(admin.page.get_by_text("Done: 2, refused: 0")).to_be_visible()
        expect(admin.page.get_by_text("ivy@example.com")).to_be_visible()


def test_somebody_is_invited_and_removed_in_dialogs(service: Instance, chromium: Browser) -> None:
    with person(chromium, service) as admin:
        sign_in(admin)
        keys, opener = admin.page.keyboard, admin.page.get_by_role("link", name="Invite somebody")
        opener.first.press("Enter")
        address = dialog_of(admin).get_by_label("E-mail address")
        expect(address).to_be_focused()
        assert admin.faults() == []
        keys.type(ADMIN)
        keys.press("Enter")
        expect(dialog_of(admin).get_by_role("alert")).to_be_focused()
        expect(address).to_have_value(ADMIN)
        keys.press("Escape")
        expect(opener.first).to_be_focused()
        opener.first.press("Enter")
        expect(address).to_be_focused()
        expect(dialog_of(admin).get_by_label("Role")).to_have_value("user")
        keys.type("kim@example.com")
        keys.press("Enter")
        expect(admin.page.get_by_role("heading", name="kim@example.com")).to_be_visible()

        admin.open("/console/users?search=kim")
        menu = admin.page.get_by_role("button", name="Actions for kim@example.com")
        menu.click()
        admin.page.get_by_role("link", name="Remove…").click()
        expect(dialog_of(admin).get_by_role("button", name="Cancel")).to_be_focused()
        keys.press("Escape")
        expect(menu).to_be_focused()
        menu.click()
        admin.page.get_by_role("link", name="Remove…").click()
        dialog_of(admin).get_by_label("Type the address").fill("kim@example.com")
        keys.press("Enter")
        expect(admin.page.get_by_text("The user is removed.")).to_be_visible()


def test_an_invitation_to_a_role_asks_for_a_proof_in_the_same_dialog(
    service: Instance, chromium: Browser, do: Do
) -> None:
    with person(chromium, service) as admin:
        sign_in(admin)
        grow_old(do)
        admin.page.get_by_role("link", name="Invite somebody").first.click()
        dialog_of(admin).get_by_label("E-mail address").fill("max@example.com")
        dialog_of(admin).get_by_label("Role").select_option("moderator")
        dialog_of(admin).get_by_role("button", name="Invite").click()
        dialog_of(admin).get_by_label("Your password").fill(PASSWORD)
        admin.page.keyboard.press("Enter")
        expect(admin.page.get_by_role("heading", name="max@example.com")).to_be_visible()


def test_without_scripts_pages_ask(service: Instance, chromium: Browser) -> None:
    with person(chromium, service, java_script_enabled=False) as admin:
        sign_in(admin)
        admin.page.get_by_role("link", name="Invite somebody").first.click()
        admin.page.get_by_label("E-mail address").fill("leo@example.com")
        admin.press("Invite")
        expect(admin.page.get_by_role("heading", name="leo@example.com")).to_be_visible()
        admin.open("/console/users?search=leo")
        admin.page.locator("[data-pick]").first.check()
        admin.page.locator("#bulk").get_by_role("button", name="Remove…").click()
        expect(admin.page.get_by_role("heading", name="Remove 1 user?")).to_be_visible()
        admin.press("Remove them")
        expect(admin.page.get_by_text("Done: 1, refused: 0")).to_be_visible()
