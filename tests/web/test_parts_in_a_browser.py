"""The layouts and parts of pages in a real Chromium, with the gallery's sample data."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from mimetypes import guess_type
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright
from tests.fixtures import gallery
from tests.fixtures.chromium import find_program

from keyfob.core.locales import Locale

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_program() is None, reason="there is no chromium here"),
]

HOST = "http://localhost"  # a secure context, without a certificate
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_program(), args=["--no-sandbox"])
        yield browser
        browser.close()


class Visited:
    """A page of the gallery, the forms that it has sent, and what it complained of."""

    def __init__(self, page: Page, sample: dict[str, Any]) -> None:
        self.page = page
        self.sent: list[dict[str, list[str]]] = []
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self._sample = sample
        page.on("pageerror", lambda fault: self.complaints.append(str(fault)))
        page.on("console", lambda said: self._note(said.type, said.text))
        page.route("**/*", self._answer)

    def open(self, name: str, locale: Locale = Locale.ENGLISH) -> None:
        self.page.goto(f"{HOST}/{name}/{locale}")
        self.page.evaluate("document.fonts.ready")

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)

    def _answer(self, route: Route) -> None:
        request = route.request
        self.asked.append(f"{request.method} {urlsplit(request.url).path}")
        if request.method == "POST":
            self.sent.append(parse_qs(request.post_data or "", keep_blank_values=True))
            route.fulfill(status=204)  # so that the page stays
            return
        _, first, *rest = urlsplit(request.url).path.split("/")
        if first == "static":
            body = (gallery.WEB / "static" / rest[0]).read_bytes()
            media_type = guess_type(rest[0])[0] or "font/woff2"
            route.fulfill(body=body, content_type=media_type)
        elif first in gallery.PAGES:
            html = gallery.render(first, Locale(rest[0]), **self._sample)
            headers = {"Content-Security-Policy": CSP}
            route.fulfill(body=html, content_type="text/html; charset=utf-8", headers=headers)
        else:
            body = '<!doctype html><body data-ends-in="600">'
            route.fulfill(body=body, content_type="text/html")


@contextmanager
def visiting(
    chromium: Browser, sample: dict[str, Any] | None = None, **how: Any
) -> Iterator[Visited]:
    context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}} | how)
    visited = Visited(context.new_page(), sample or {})
    try:
        yield visited
    finally:
        context.close()
    assert visited.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", gallery.PAGES)
def test_axe_finds_nothing(chromium: Browser, name: str, scheme: Any) -> None:
    with visiting(chromium, color_scheme=scheme) as visited:
        for locale in Locale:
            visited.open(name, locale)
            options = {"runOnly": RULES, "resultTypes": ["violations"]}  # else as long again
            found = Axe().run(visited.page, options=options).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []


@pytest.mark.parametrize("width", [320, 800])
@pytest.mark.parametrize("name", gallery.PAGES)
def test_no_page_scrolls_sideways(chromium: Browser, name: str, width: int) -> None:
    with visiting(chromium, {"is_long": True}, viewport={"width": width, "height": 800}) as visited:
        visited.open(name)
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert visited.page.evaluate(wider) == 0


def test_every_target_is_large_enough(chromium: Browser) -> None:
    boxes = """() => [...document.querySelectorAll(".button, .input, .chip, .side a, .pick")]
        .filter((one) => one.checkVisibility())
        .map((one) => [one.getBoundingClientRect(), one.outerHTML.slice(0, 90)])
        .filter(([box]) => box.width < 24 || box.height < 24)"""
    with visiting(chromium) as visited:
        for name in gallery.PAGES:
            visited.open(name)
            assert visited.page.evaluate(boxes) == []


def test_a_code_sends_itself_once_it_is_whole(chromium: Browser) -> None:
    with visiting(chromium) as visited:
        visited.open("factor")
        visited.page.get_by_label("Code").press_sequentially("123-45")
        assert visited.sent == []
        visited.page.get_by_label("Code").press_sequentially("6")
        visited.page.wait_for_function("document.querySelector('form').ariaBusy")
        assert visited.sent == [{"code": ["123-456"]}]


def test_a_password_is_shown_and_hidden_again_before_it_is_sent(chromium: Browser) -> None:
    with visiting(chromium) as visited:
        visited.open("sign_in")
        password = visited.page.get_by_label("Password", exact=True)
        password.fill("correct horse")
        visited.page.get_by_role("button", name="Show the password").click()
        expect(password).to_have_attribute("type", "text")
        expect(visited.page.get_by_role("button", name="Hide the password")).to_be_visible()
        visited.page.get_by_label("E-mail address").fill("ada@example.org")
        visited.page.get_by_role("button", name="Sign in", exact=True).click()
        expect(password).to_have_attribute("type", "password")


def test_a_second_press_sends_nothing(chromium: Browser) -> None:
    with visiting(chromium) as visited:
        visited.open("sign_in")
        visited.page.get_by_label("E-mail address").fill("ada@example.org")
        visited.page.get_by_label("Password", exact=True).fill("correct horse")
        button = visited.page.get_by_role("button", name="Sign in", exact=True)
        button.dblclick()
        expect(button).to_have_attribute("aria-busy", "true")
        visited.page.wait_for_timeout(50)
        assert len(visited.sent) == 1


def test_caps_lock_is_told(chromium: Browser) -> None:
    with visiting(chromium) as visited:
        visited.open("sign_in")
        told = visited.page.get_by_text("Caps Lock is on.")
        expect(told).to_be_hidden()
        press = """(field) => field.dispatchEvent(
            new KeyboardEvent("keydown", {key: "A", modifierCapsLock: true, bubbles: true}))"""
        visited.page.get_by_label("Password", exact=True).evaluate(press)
        expect(told).to_be_visible()


def test_copy_says_that_it_has_copied(chromium: Browser) -> None:
    with visiting(chromium, permissions=["clipboard-read", "clipboard-write"]) as visited:
        visited.open("security")
        codes = visited.page.locator("#codes")
        codes.get_by_role("button", name="Copy").click()
        expect(codes.get_by_role("button", name="Copied")).to_be_visible()
        copied = visited.page.evaluate("navigator.clipboard.readText()")
        assert copied.splitlines()[0] == "4f2a-9c1e-77b0"


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_dialog_opens_with_the_focus_on_cancel_and_esc_leaves_it(
    chromium: Browser, scripts: bool
) -> None:
    with visiting(chromium, java_script_enabled=scripts) as visited:
        visited.page.goto(f"{HOST}/users/en")
        opener = visited.page.locator(".bulk").get_by_role("button", name="Remove")
        opener.press("Enter")
        dialog = visited.page.get_by_role("dialog", name="Remove Ada?")
        expect(dialog).to_be_visible()
        expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        visited.page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(opener).to_be_focused()


def test_cancel_leaves_a_dialog_and_sends_nothing(chromium: Browser) -> None:
    with visiting(chromium) as visited:
        visited.open("users")
        visited.page.get_by_role("button", name="Invite").click()
        dialog = visited.page.get_by_role("dialog", name="Invite somebody")
        dialog.get_by_role("button", name="Cancel").click()
        expect(dialog).to_be_hidden()
        assert visited.sent == []


def test_a_refused_dialog_comes_back_open(chromium: Browser) -> None:
    with visiting(chromium, {"open": True}) as visited:
        visited.open("users")
        dialog = visited.page.get_by_role("dialog", name="Invite somebody")
        assert dialog.evaluate("(one) => one.matches(':modal')")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_menu_opens_below_its_button(chromium: Browser, scripts: bool) -> None:
    with visiting(chromium, java_script_enabled=scripts) as visited:
        visited.page.goto(f"{HOST}/users/en")
        button = visited.page.get_by_role("button", name="Actions for Ada Lovelace")
        button.click()
        item = visited.page.locator("#m-1").get_by_role("button", name="Block")
        expect(item).to_be_visible()
        above, below = box_of(button), box_of(visited.page.locator("#m-1"))
        assert above["y"] + above["height"] <= below["y"]
        assert abs(above["x"] + above["width"] - below["x"] - below["width"]) <= 1
        visited.page.keyboard.press("Escape")
        expect(item).to_be_hidden()
        expect(button).to_be_focused()


def test_a_menu_item_opens_its_dialog(chromium: Browser) -> None:
    with visiting(chromium) as visited:
        visited.open("users")
        visited.page.get_by_role("button", name="Actions for Ada Lovelace").click()
        visited.page.locator("#m-1").get_by_role("button", name="Remove").click()
        expect(visited.page.get_by_role("dialog", name="Remove Ada?")).to_be_visible()
        expect(visited.page.locator("#m-1")).to_be_hidden()


def test_errors_take_the_focus_and_lead_to_their_fields(chromium: Browser) -> None:
    for scripts in (True, False):
        errors = {"email": "Enter an address.", "password": "Enter your password."}
        with visiting(chromium, {"errors": errors}, java_script_enabled=scripts) as visited:
            visited.page.goto(f"{HOST}/sign_in/en")
            expect(visited.page.get_by_role("alert")).to_be_focused()
            visited.page.get_by_role("link", name="Enter your password.").click()
            password = visited.page.get_by_label("Password", exact=True)
            expect(password).to_be_focused()
            expect(password).to_have_accessible_description("Enter your password.")


def test_a_countdown_frees_its_button(chromium: Browser) -> None:
    with visiting(chromium) as visited:
        visited.page.clock.install()
        visited.open("refused")
        waiting = visited.page.get_by_role("button", name=re.compile(r"Try again 0:\d\d"))
        expect(waiting).to_have_attribute("aria-disabled", "true")
        waiting.click(force=True)
        assert visited.sent == []
        visited.page.clock.run_for(43_000)
        free = visited.page.get_by_role("button", name="Try again", exact=True)
        expect(free).to_have_attribute("aria-disabled", "false")


def test_a_toast_leaves_after_six_seconds_unless_somebody_reads_it(chromium: Browser) -> None:
    with visiting(chromium) as visited:
        visited.page.clock.install()
        visited.open("users")
        visited.page.clock.run_for(100)
        toast = visited.page.get_by_role("status").get_by_text("Boris was blocked.")
        expect(toast).to_be_visible()
        toast.hover()
        visited.page.clock.run_for(60_000)
        expect(toast).to_be_visible()
        visited.page.mouse.move(10, 10)
        visited.page.clock.run_for(6_100)
        expect(toast).to_be_hidden()


def test_whoever_reads_is_asked_to_stay_before_the_session_ends(chromium: Browser) -> None:
    with visiting(chromium) as visited:
        visited.page.clock.install()
        visited.open("kit")
        visited.page.clock.run_for(1_000 * (1200 - 120) + 100)
        visited.page.get_by_role("button", name="Stay signed in").click()
        expect(visited.page.get_by_role("button", name="Stay signed in")).to_be_hidden()
        visited.page.clock.run_for(1_000 * (600 - 120) + 100)
        expect(visited.page.get_by_role("button", name="Stay signed in")).to_be_visible()
        assert "GET /ui/account" in visited.asked


def test_a_sign_in_page_goes_on_when_another_tab_has_signed_in(chromium: Browser) -> None:
    with visiting(chromium) as visited:
        visited.open("sign_in")
        with visited.page.expect_navigation():
            visited.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        assert visited.asked.count("GET /sign_in/en") == 2


def test_times_are_in_the_browsers_zone_if_nobody_told_the_readers(chromium: Browser) -> None:
    with visiting(chromium, timezone_id="Asia/Tokyo") as visited:
        visited.open("kit")
        shown = visited.page.locator("time[data-form=moment]").first
        expect(shown).to_have_text("27 Nov 2026, 17:03")
        shown.evaluate("(one) => { delete one.dataset.zone; }")
        script = "/static/keyfob.js"
        visited.page.evaluate(f"import('{script}').then((module) => module.enliven(document))")
        expect(shown).to_contain_text("11:03")
        assert "keyfob-zone=Asia/Tokyo" in visited.page.evaluate("document.cookie")


def test_nothing_moves_for_whoever_wants_less_motion(chromium: Browser) -> None:
    with visiting(chromium, reduced_motion="reduce") as visited:
        visited.open("kit")
        moving = "document.getAnimations().map((one) => one.animationName)"
        assert visited.page.evaluate(moving) == []


def test_only_recovery_codes_are_printed(chromium: Browser) -> None:
    with visiting(chromium) as visited:
        visited.open("security")
        visited.page.emulate_media(media="print")
        expect(visited.page.get_by_text("4f2a-9c1e-77b0")).to_be_visible()
        expect(visited.page.get_by_text("Keyfob, ada@example.org")).to_be_visible()
        for hidden in ("Check-up", "Passkeys", "Copy"):
            expect(visited.page.get_by_text(hidden, exact=True).first).to_be_hidden()


def box_of(one: Locator) -> Any:
    box = one.bounding_box()
    assert box is not None
    return box
