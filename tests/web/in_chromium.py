"""Pages of a `World` in a real Chromium: what it requests is answered within this process.

So the clock stands still, no port is opened, and each page is the same in every run. A test fails
if a page breaks its own policy (`securitypolicyviolation`) or its script does.
"""

import difflib
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, Page, Route, async_playwright
from tests.fixtures.chromium import find_program

HOST = "http://localhost:8000"
STILL = 0.02  # CLS up to which nobody sees a page move
PICTURES = Path(__file__).parent / "aria"
_LISTEN = """addEventListener("securitypolicyviolation",
    (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));"""
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_SHIFT = """new Promise((tell) => {
    let sum = 0;
    new PerformanceObserver((list) => list.getEntries().forEach((one) => { sum += one.value; }))
        .observe({type: "layout-shift", buffered: true});
    requestAnimationFrame(() => setTimeout(() => tell(sum), 0));
})"""
# WCAG 1.4.12: what a reader may set. A constructed sheet, which the policy of the page permits.
_SPACING = """(() => { const sheet = new CSSStyleSheet(); sheet.replaceSync(`* {
    line-height: 1.5 !important; letter-spacing: 0.12em !important;
    word-spacing: 0.16em !important; } p { margin-block-end: 2em !important; }`);
    document.adoptedStyleSheets = [sheet]; })()"""
_UNSEEN = """() => [...document.querySelectorAll("button, input, select, textarea, .button")]
    .filter((one) => one.checkVisibility() && !["hidden", "checkbox", "radio"].includes(one.type))
    .filter((one) => { const style = getComputedStyle(one);
        return style.borderStyle == "none" && !one.textContent.trim()
            && !one.querySelector("svg, img") && !one.closest(".input, .search"); })
    .map((one) => one.outerHTML.slice(0, 90))"""
# What differs between two runs or releases: versions, ids, fingerprints, keys and codes.
_CHANGING = [
    (re.compile(r"(?<=Version )\d[\w.]+"), "VERSION"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"(?<=/static/)([a-z-]+)\.[0-9a-f]{8,}"), r"\1.HASH"),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "HEX"),
    (re.compile(r"\b[A-Z2-7]{4}(?: [A-Z2-7]{4}){3,}"), "SECRET"),
    (re.compile(r"\bkf[a-z]*_[\w-]+"), "KEY"),
    (re.compile(r"(request(?:=|%3D))[\w-]{20,}"), r"\1REQUEST"),
]


class Reader:
    """Somebody's tab, whose requests a client of the world sends, with its cookies."""

    def __init__(self, context: BrowserContext, page: Page, client: httpx.AsyncClient) -> None:
        self.context = context
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._client = client
        self._kept: dict[str, dict[str, Any]] = {}  # as a browser keeps what never changes
        self._has_fonts = True

    async def begin(self, now: datetime) -> None:
        """Listen to what the browser complains of, and answer it; its clock stands still, too."""
        await self.context.add_init_script(_LISTEN)
        await self.page.clock.set_fixed_time(now)
        self.page.on("pageerror", lambda fault: self.complaints.append(str(fault)))
        self.page.on("dialog", lambda shown: self.complaints.append(f"dialog: {shown.message}"))
        self.page.on("console", lambda said: self._note(said.text))
        await self.page.route("**/*", self._answer)

    def _note(self, text: str) -> None:
        if text.startswith("CSP:"):
            self.complaints.append(f"{self.page.url} {text}")

    async def _answer(self, route: Route) -> None:
        request = route.request
        self.requests.append(request.url)
        told = urlsplit(request.url)
        is_away = f"{told.scheme}://{told.netloc}" != HOST or told.path.endswith("/live")
        if is_away or (request.resource_type == "font" and not self._has_fonts):
            await route.abort()
            return
        if request.url in self._kept:
            await route.fulfill(**self._kept[request.url])
            return
        answer = await self._client.request(
            request.method,
            told.path.removeprefix("/auth") + (f"?{told.query}" if told.query else ""),
            content=request.post_data_buffer,
            headers={"Content-Type": request.headers.get("content-type", "")},
        )
        kept = ("content-type", "content-security-policy", "location", "cache-control")
        headers = {one: answer.headers[one] for one in kept if one in answer.headers}
        given = {"status": answer.status_code, "headers": headers, "body": answer.content}
        if "immutable" in headers.get("cache-control", ""):
            self._kept[request.url] = given
        await route.fulfill(**given)

    async def open(self, path: str) -> None:
        self.requests.clear()
        await self.page.goto(f"{HOST}/auth{path}")
        await self.page.evaluate("document.fonts.ready")

    async def faults(self, *rules: str) -> list[tuple[str, str]]:
        """Return what axe finds on the page by some rules, or all: rule and first element."""
        only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": _RULES}
        options = {"runOnly": only, "resultTypes": ["violations"]}  # the rest takes as long again
        found = (await Axe().run(self.page, options=options)).response["violations"]
        return [(one["id"], one["nodes"][0]["html"]) for one in found]

    async def unseen_in_forced_colours(self) -> list[str]:
        """Return controls without edge, words or picture where colours are the reader's."""
        await self.page.emulate_media(forced_colors="active")
        found: list[str] = await self.page.evaluate(_UNSEEN)
        await self.page.emulate_media(forced_colors="none")
        return found

    async def moved(self, path: str) -> float:
        """Return how far the page that is open at `path` has moved while it loaded (CLS).

        Of a font that comes after the first picture, nothing is counted: this browser keeps none,
        and asks this process for it, which may be slow.
        """
        if (moved := float(await self.page.evaluate(_SHIFT))) <= STILL:
            return moved
        self._has_fonts = False
        await self.open(path)
        moved = float(await self.page.evaluate(_SHIFT))
        self._has_fonts = True
        await self.open(path)
        return moved

    async def ways_to_scroll_sideways(self) -> list[str]:
        """Return the ways of looking at which the whole page is wider than the window."""
        found = []
        protocol = await self.context.new_cdp_session(self.page)
        for way, width in (("wide", 1280), ("200 %", 640), ("320 px", 320)):
            await self.page.set_viewport_size({"width": width, "height": 800})
            if await self.page.evaluate(_WIDER):
                found.append(way)
        await self.page.evaluate(_SPACING)
        if await self.page.evaluate(_WIDER):
            found.append("320 px with wider spaces")
        await self.page.evaluate("document.adoptedStyleSheets = []")
        await self.page.set_viewport_size({"width": 1280, "height": 800})
        sizes = {"standard": 32, "fixed": 26}
        await protocol.send("Page.setFontSizes", {"fontSizes": sizes})
        if await self.page.evaluate(_WIDER):
            found.append("text at 200 %")
        usual = {"standard": 16, "fixed": 13}
        await protocol.send("Page.setFontSizes", {"fontSizes": usual})
        await protocol.detach()
        return found

    async def picture(self) -> str:
        """Return what the page is to a screen reader, without what differs between two runs."""
        shown = await self.page.locator("body").aria_snapshot()
        for pattern, instead in _CHANGING:
            shown = pattern.sub(instead, shown)
        return shown + "\n"


@asynccontextmanager
async def reading(client: httpx.AsyncClient, now: datetime, **how: Any) -> AsyncIterator[Reader]:
    """Open a browser for whoever `client` is signed in as; fail in the end if it complained."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_program(), args=["--no-sandbox"]
        )
        context = await browser.new_context(
            **{"locale": "en-US", "timezone_id": "UTC", "reduced_motion": "reduce"} | how
        )
        reader = Reader(context, await context.new_page(), client)
        await reader.begin(now)
        yield reader
        await browser.close()
    assert reader.complaints == []


def differs(name: str, picture: str) -> list[str]:
    """Compare a page with its committed picture; return the difference in lines.

    With PICTURES=new in the environment (`make pictures`) the picture is written anew instead.
    """
    file = PICTURES / f"{name}.yml"
    if os.environ.get("PICTURES") == "new":
        file.parent.mkdir(exist_ok=True)
        file.write_text(picture, encoding="utf-8")
        return []
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    lines = (before.splitlines(), picture.splitlines())
    return list(difflib.unified_diff(*lines, f"{name}.yml", "now", lineterm="", n=1))
