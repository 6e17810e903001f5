"""The pages in a real Chromium, before a real service: each test is a person's day."""

from collections.abc import Iterator

import pyotp
import pytest
from bench.harness.cluster import free_port
from playwright.sync_api import Browser, expect, sync_playwright
from tests.fixtures.chromium import find_program
from tests.fixtures.world import PASSWORD
from tests.journeys.conftest import Instance, Start, wait_until
from tests.journeys.people_at_pages import Person, link_to, person

from keyfob.core.clock import Clock

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_program() is None, reason="there is no chromium here"),
]

ADMIN = "admin@example.com"
ADMIN_PASSWORD = "quite another battery"
NEW = "a battery of horses"


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    port = free_port()
    return {
        "PORT": port,
        "ISSUER": f"http://localhost:{port}/auth",
        "ADMIN_PASSWORD": ADMIN_PASSWORD,
        "VERIFY_EMAIL": "optional",
        "LIMITS": "off",  # all of these are one client, within a minute
    }


@pytest.fixture(scope="module")
def service(start: Start, settings: dict[str, object]) -> Instance:
    instance = start(**settings)
    wait_until(lambda: instance.is_ready, seconds=120)
    return instance


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_program(),
            args=["--no-sandbox"],
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield browser
        browser.close()


def sign_up(ada: Person, email: str) -> None:
    """Sign up at the page, and confirm the address by the link of the mail."""
    ada.open("/ui/register")
    ada.page.get_by_label("E-mail address").fill(email)
    ada.page.locator("#f-password").fill(PASSWORD)
    ada.press("Create the account")
    ada.wait_for("/ui/account")
    ada.page.goto(link_to(ada.service, "verify", email))
    ada.press("Confirm the address")
    expect(ada.page.get_by_role("heading", name="Your address is confirmed")).to_be_visible()


def test_who_signs_up_comes_back_with_a_forgotten_password(
    service: Instance, chromium: Browser
) -> None:
    with person(chromium, service) as ada:
        sign_up(ada, "ada@example.com")
        ada.open("/ui/sign-out?return_to=/auth/ui/account/security")
        ada.press("Sign out")
        ada.wait_for("/ui/sign-in")
        expect(ada.page.get_by_text("You are signed out.")).to_be_visible()

        ada.sign_in("ada@example.com", "not this one")
        expect(ada.page.get_by_role("alert")).to_be_focused()
        expect(ada.page.get_by_label("E-mail address")).to_have_value("ada@example.com")
        ada.page.get_by_role("link", name="Forgot your password?").click()
        ada.page.get_by_label("E-mail address").fill("ada@example.com")
        ada.press("Send the link")
        expect(ada.page.get_by_text("a link is on its way")).to_be_visible()
        ada.page.goto("about:blank")
        ada.page.goto(link_to(service, "recover", "ada@example.com"))
        expect(ada.page.locator("#f-new_password")).to_be_focused()
        assert "token" not in ada.page.url
        expect(ada.page.get_by_label("E-mail address")).to_have_value("ada@example.com")
        ada.page.locator("#f-new_password").fill("horse")
        ada.press("Set the password")
        expect(ada.page.get_by_role("alert")).to_be_focused()
        ada.page.locator("#f-new_password").fill(NEW)
        ada.press("Set the password")
        ada.wait_for("/ui/account/security")  # the way on is in the mail, too


def test_a_passkey_is_added_and_signs_in_by_button_and_by_autofill(
    service: Instance, chromium: Browser
) -> None:
    with person(chromium, service) as bob:
        sign_up(bob, "bob@example.com")
        bob.plug_in()
        bob.open("/ui/account/passkeys/new")
        bob.page.get_by_label("Name").fill("Bob's laptop")
        bob.press("Go on")
        expect(bob.page.get_by_role("heading", name="Keep these recovery codes")).to_be_visible()
        bob.press("I have kept them")
        expect(bob.page.get_by_text("Bob's laptop").first).to_be_visible()

        bob.open("/ui/sign-out")
        bob.press("Sign out")
        bob.wait_for("/ui/account")  # the sign-in page has asked the passkey by itself
        bob.context.add_init_script(
            "PublicKeyCredential.isConditionalMediationAvailable = async () => false"
        )
        bob.open("/ui/sign-out?return_to=/auth/ui/account/security")
        bob.press("Sign out")
        bob.press("Sign in with a passkey")
        bob.wait_for("/ui/account/security")

        bob.open("/ui/sign-out")
        bob.press("Sign out")
        bob.sign_in("bob@example.com")  # and after the password, too
        bob.press("Use a passkey")
        bob.wait_for("/ui/account")


def test_an_authenticator_and_a_recovery_code_are_the_second_step(
    service: Instance, chromium: Browser
) -> None:
    with person(chromium, service) as carol:
        sign_up(carol, "carol@example.com")
        secret = carol.add_app()
        codes = carol.page.locator("li code, .codes code, .codes li")
        expect(codes.first).to_be_visible()
        kept = codes.first.inner_text().strip()
        carol.press("I have kept them")

        carol.open("/ui/sign-out?return_to=/auth/ui/account/security")
        carol.press("Sign out")
        carol.sign_in("carol@example.com")
        carol.page.get_by_label("Code").fill("000000")  # sends itself once it is whole
        expect(carol.page.get_by_role("alert")).to_be_focused()
        code = pyotp.TOTP(secret).at(Clock().timestamp() + 30)  # the present one was used
        carol.page.get_by_label("Code").fill(f"{code[:3]} {code[3:]}")
        carol.wait_for("/ui/account/security")

        carol.open("/ui/sign-out")
        carol.press("Sign out")
        carol.sign_in("carol@example.com")
        carol.page.get_by_role("link", name="Use a recovery code").click()
        carol.page.get_by_label("Recovery code").fill(kept)
        carol.press("Go on")
        carol.wait_for("/ui/account")


def test_what_is_shown_once_is_gone_on_the_way_back(service: Instance, chromium: Browser) -> None:
    """Not from the cache of the browser either; nor does going back make other codes unseen."""
    with person(chromium, service) as fay:
        sign_up(fay, "fay@example.com")
        fay.add_app()
        codes = fay.page.locator(".codes li")
        expect(codes.first).to_be_visible()
        kept = [code.strip() for code in codes.all_inner_texts()]
        fay.press("I have kept them")
        fay.wait_for("/ui/account/security")
        left = fay.page.get_by_text("10 codes are left.")
        expect(left).to_be_visible()

        fay.page.evaluate("history.back()")
        fay.page.wait_for_timeout(1000)  # whatever the browser shows then
        words = fay.page.content()
        fay.open("/ui/sign-out")
        words += fay.page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
        assert [code for code in kept if code in words] == []
        fay.press("Sign out")
        fay.sign_in("fay@example.com")
        fay.page.get_by_role("link", name="Use a recovery code").click()
        fay.page.get_by_label("Recovery code").fill(kept[0])
        fay.press("Go on")
        fay.wait_for("/ui/account")


def test_back_after_signing_out_shows_nothing_private(service: Instance, chromium: Browser) -> None:
    with person(chromium, service) as dora:
        sign_up(dora, "dora@example.com")
        dora.open("/ui/account")
        expect(dora.page.get_by_text("dora@example.com").first).to_be_visible()
        dora.page.get_by_role("button", name="Your menu").click()
        dora.press("Sign out")
        dora.wait_for("/ui/sign-in")
        dora.page.evaluate("history.back()")
        dora.wait_for("/ui/sign-in")
        expect(dora.page.get_by_label("E-mail address")).to_be_visible()
        assert "dora@example.com" not in dora.page.content()


def test_back_after_signing_out_shows_nothing_of_the_console(
    service: Instance, chromium: Browser
) -> None:
    """From the cache of the browser, too, which keeps whole pages."""
    with person(chromium, service) as admin:
        admin.open("/ui/sign-in?return_to=/auth/console/users")
        admin.sign_in(ADMIN, ADMIN_PASSWORD)
        for path in ("/console/users", "/console/logins"):
            admin.open(path)
            expect(admin.page.get_by_text(ADMIN).first).to_be_visible()
        admin.page.get_by_role("button", name="Your menu").click()
        admin.press("Sign out")
        admin.wait_for("/ui/sign-in")
        for steps in (-1, -2):
            admin.page.evaluate(f"history.go({steps})")
            admin.wait_for("/ui/sign-in")
            expect(admin.page.get_by_label("E-mail address")).to_be_visible()
            assert ADMIN not in admin.page.locator("body").inner_text()
            admin.open("/ui/sign-in")


def test_a_form_is_sent_from_two_tabs_and_after_signing_in_in_another(
    service: Instance, chromium: Browser
) -> None:
    """No tab shows an error, and none asks for what another has."""
    with person(chromium, service) as admin:
        admin.open("/ui/sign-in")
        other = admin.context.new_page()
        other.goto(f"{service.url}/ui/sign-in")
        admin.sign_in(ADMIN, ADMIN_PASSWORD)
        admin.wait_for("/ui/account")
        # The other tab was open all the time, and has not had the focus since.
        other.locator("#f-email").fill(ADMIN)
        other.locator("#f-password").fill(ADMIN_PASSWORD)
        other.get_by_role("button", name="Sign in", exact=True).first.click()
        other.wait_for_url("**/ui/account")
        for tab, name in ((admin.page, "First"), (other, "Second")):
            tab.locator("#f-name").fill(name)
        for tab in (admin.page, other):
            with tab.expect_navigation():
                tab.locator("main form [type=submit]").first.click()
            expect(tab.get_by_role("heading", name="Profile")).to_be_visible()
            expect(tab.locator("#errors")).to_have_count(0)
        admin.open("/ui/account")
        expect(admin.page.locator("#f-name")).to_have_value("Second")


def test_a_second_tab_goes_on_by_itself(service: Instance, chromium: Browser) -> None:
    with person(chromium, service) as admin:
        admin.open("/ui/sign-in?return_to=/auth/ui/account/security")
        other = admin.context.new_page()
        other.goto(f"{service.url}/ui/sign-in")
        admin.sign_in(ADMIN, ADMIN_PASSWORD)
        admin.wait_for("/ui/account/security")
        with other.expect_navigation():
            other.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        other.wait_for_url("**/ui/account")


def test_everything_but_passkeys_works_without_scripts(
    service: Instance, chromium: Browser
) -> None:
    with person(chromium, service) as admin:  # makes the account; eve's browser has no scripts
        sign_up(admin, "eve@example.com")
    with person(chromium, service, java_script_enabled=False) as eve:
        eve.open("/ui/recover?return_to=/auth/ui/account/security")
        eve.page.get_by_label("E-mail address").fill("eve@example.com")
        eve.press("Send the link")
        eve.page.get_by_role("link", name="Wrong address?").click()
        eve.page.locator("#pasted").fill(link_to(service, "recover", "eve@example.com"))
        eve.press("Go on")
        eve.page.locator("#f-new_password").fill(NEW)
        eve.press("Set the password")
        eve.wait_for("/ui/account/security")
        eve.add_app()
        eve.press("Confirm")
        expect(eve.page.get_by_role("heading", name="Keep these recovery codes")).to_be_visible()
        eve.open("/ui/account")
        eve.page.get_by_role("button", name="Your menu").click()
        eve.press("Sign out")
        eve.wait_for("/ui/sign-in")
        expect(eve.page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()


def test_a_keyboard_is_enough_and_the_focus_is_always_seen(
    service: Instance, chromium: Browser
) -> None:
    with person(chromium, service) as admin:
        admin.open("/ui/sign-in")
        keys = admin.page.keyboard
        expect(admin.page.get_by_label("E-mail address")).to_be_focused()
        keys.type(ADMIN)
        keys.press("Tab")
        keys.type(ADMIN_PASSWORD)
        keys.press("Enter")
        admin.wait_for("/ui/account")
        keys.press("Tab")
        expect(admin.page.get_by_role("link", name="Skip to the content")).to_be_focused()
        for _ in range(14):
            keys.press("Tab")
            seen = admin.page.evaluate(
                """(() => { const one = document.activeElement, box = one.getBoundingClientRect();
                const style = getComputedStyle(one);
                return [one.outerHTML.slice(0, 80), style.outlineStyle != "none" ||
                    style.boxShadow != "none", box.width > 0]; })()"""
            )
            assert seen[1:] == [True, True], seen
        admin.page.get_by_role("button", name="Your menu").focus()
        keys.press("Enter")
        keys.press("Tab")
        expect(admin.page.locator("#reader-menu").get_by_role("link").first).to_be_focused()
        keys.press("Escape")
        expect(admin.page.get_by_role("button", name="Your menu")).to_be_focused()


def test_an_administrator_invites_somebody_and_sees_them_arrive(
    service: Instance, chromium: Browser
) -> None:
    """What a newcomer does first: invite, watch, block and unblock."""
    with person(chromium, service) as admin, person(chromium, service) as grace:
        admin.open("/ui/sign-in?return_to=/auth/console/users/new")
        admin.sign_in(ADMIN, ADMIN_PASSWORD)
        admin.page.get_by_label("E-mail address").fill("grace@example.com")
        admin.press("Invite")
        expect(admin.page.get_by_role("heading", name="grace@example.com")).to_be_visible()
        user = admin.page.url

        admin.open("/console/logins")
        admin.press("Live")
        grace.page.goto(link_to(service, "invite", "grace@example.com"))
        grace.page.locator("#f-new_password").fill(NEW)
        grace.press("Set the password")
        grace.wait_for("/ui/account")
        expect(admin.page.locator("#log").get_by_text("grace@example.com").first).to_be_visible()

        admin.page.goto(user)
        admin.press("Block")
        expect(admin.page.get_by_text("blocked", exact=True).first).to_be_visible()
        grace.open("/ui/account")
        grace.wait_for("/ui/sign-in")
        admin.press("Unblock")
        expect(admin.page.get_by_text("active", exact=True).first).to_be_visible()
        grace.sign_in("grace@example.com", NEW)
        grace.wait_for("/ui/account")
