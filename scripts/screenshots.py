"""Write docs/screenshots: every page of a service with sample data, as browsers show it.

Each page is taken four times, so that light and dark, wide and phone, English and Russian each meet
one another. It needs Chromium (`apt-get install chromium`; the variable CHROMIUM names another).
"""

import asyncio
import os
import random  # noqa: TID251 - the same samples each time, no secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.request import urlopen

import asyncpg
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.secrets import new_id
from keyfob.devdb.server import EmbeddedPostgres
from keyfob.statistics.queries import insert_tallies

FOLDER = Path("docs/screenshots")
ADMIN, PASSWORD = "ada@example.com", "correct horse battery"
PEOPLE = {
    "Ada Lovelace": "ada",
    "Алиса Воронцова": "alisa",
    "Boris Kowalski": "boris",
    "Chiara Rossi": "chiara",
    "Дмитрий Соколов": "dmitry",
    "Élodie Martin": "elodie",
    "Fatima al-Sayed": "fatima",
    "Grace Hopper": "grace",
    "Hiroshi Tanaka": "hiroshi",
    "Ирина Лебедева": "irina",
    "Jonas Berg": "jonas",
    "Katherine Johnson": "katherine",
    "Liu Wei": "liu",
    "María Fernández": "maria",
}
# What happens at sign-ins, and how often.
OUTCOMES = {
    ("succeeded", "password"): 60,
    ("succeeded", "passkey"): 25,
    ("succeeded", "password_and_code"): 18,
    ("refused", "wrong_password"): 12,
    ("refused", "unknown_email"): 5,
    ("refused", "too_many_attempts"): 2,
}
DEVICES = [
    ("desktop", "Chrome 141", "Windows"),
    ("desktop", "Firefox 144", "Linux"),
    ("mobile", "Safari 19", "iOS"),
    ("mobile", "Chrome 141", "Android"),
]
DOORS = ["sign-in", "register", "recover", "verify", "help", "nowhere"]
ACCOUNT = ["", "/security", "/password", "/passkeys/new", "/activity", "/data", "/keys", "/apps"]
CONSOLE = [
    *("overview", "users", "users/new", "logins", "audit"),
    *("clients", "resources", "roles", "service"),
]
# What the administrator registers, so that there is something to show: the forms by their paths.
SHOWN: dict[str, dict[str, str | float | bool]] = {
    "resources/new": {
        "name": "Orders",
        "identifier": "https://orders.example.com",
        "scopes": "orders:read\norders:write",
    },
    "clients/new": {
        "kind": "web",
        "name": "Web shop",
        "method": "client_secret_basic",
        "scope": "https://orders.example.com orders:read",
        "redirect_uris": "https://shop.example.com/callback",
    },
    "new-role": {"name": "support", "permission": "users:read"},
}


class Look(NamedTuple):
    """A way of looking at a page."""

    name: str
    width: int
    height: int
    scheme: Literal["light", "dark"]
    language: str


LOOKS = [
    Look("wide-light-en", 1200, 780, "light", "en"),
    Look("wide-dark-ru", 1200, 780, "dark", "ru"),
    Look("phone-light-ru", 390, 780, "light", "ru"),
    Look("phone-dark-en", 390, 780, "dark", "en"),
]


def main() -> int:
    """Take all pictures and print how many there are."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if program is None:
        print("There is no Chromium here: apt-get install chromium, or set CHROMIUM")
        return 1
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with serving() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        take_all(browser, url)
        browser.close()
    pictures = list(FOLDER.glob("*.png"))
    size = sum(one.stat().st_size for one in pictures)
    print(f"{len(pictures)} pictures in {FOLDER}, {size // 1024} kB")
    return 0


@contextmanager
def serving() -> Iterator[str]:
    """Run a service with sample data in a folder of its own; yields its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="screenshots-"))
    postgres = EmbeddedPostgres(folder)
    settings = {
        "KEYFOB_DATABASE_URL": postgres.start(),
        "KEYFOB_SECRET_KEY": "for these pictures alone; " * 3,
        "KEYFOB_DATA_DIR": str(folder),
        "KEYFOB_PORT": str(port),
        "KEYFOB_ADMIN_EMAIL": ADMIN,
        "KEYFOB_ADMIN_PASSWORD": PASSWORD,
        "KEYFOB_LOG_LEVEL": "warning",
        "KEYFOB_METRICS": "off",
    }
    keyfob, environment = [sys.executable, "-m", "keyfob.cli"], os.environ | settings
    subprocess.run([*keyfob, "migrate"], env=environment, check=True, stdout=subprocess.DEVNULL)
    asyncio.run(fill(settings["KEYFOB_DATABASE_URL"]))
    service = subprocess.Popen([*keyfob, "serve"], env=environment)
    url = f"http://localhost:{port}/auth"
    try:
        wait_for(f"{url}/health/ready")
        yield url
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(timeout=40)
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(url: str) -> None:
    """Wait until a URL is answered, for at most a minute."""
    for _ in range(600):
        with suppress(OSError), urlopen(url):  # noqa: S310 - our own URL
            return
        time.sleep(0.1)
    raise TimeoutError(url)


async def fill(dsn: str) -> None:
    """Insert people and six weeks of sign-ins, the same ones each time."""
    chance = random.Random(1843)  # noqa: S311 - samples, no secrets
    now = Clock().now()
    connection = await asyncpg.connect(dsn)
    ids = {name: new_id(now) for name in list(PEOPLE.values())[1:]}
    for number, (name, mailbox) in enumerate(list(PEOPLE.items())[1:]):
        await connection.execute(
            """
            INSERT INTO users (id, email, email_normal, name, role, status, created_at, updated_at,
                               email_verified_at, name_folded)
            VALUES ($1, $2, $2, $3, $4, $5, $6, $6, $6, lower($3))
            """,
            ids[mailbox],
            f"{mailbox}@example.com",
            name,
            "moderator" if number % 6 == 2 else "user",
            "blocked" if number == 6 else "active",
            now - timedelta(days=3 * number + 1, hours=number),
        )
        await connection.execute(
            "INSERT INTO user_activity (user_id, last_active_at) VALUES ($1, $2)",
            ids[mailbox],
            now - timedelta(hours=5 * number, minutes=7 * number),
        )
    await connection.executemany(
        "INSERT INTO login_events (id, at, user_id, email, outcome, reason, ip_address,"
        " device_type, browser, os) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        [sign_in(chance, now, ids) for _ in range(2400)],
    )
    await connection.close()
    database = Database(dsn, pool_size=2)
    await database.open()
    async with database.begin() as tx:  # otherwise the service counts them in its own time
        until = now - timedelta(minutes=now.minute % 15, seconds=now.second)
        until = until.replace(microsecond=0)
        await insert_tallies(tx, until - timedelta(days=43), until)
    await database.close()


def sign_in(chance: random.Random, now: datetime, ids: dict[str, Any]) -> tuple[Any, ...]:
    """Return a row of the login log: more by day than by night, and on working days."""
    while True:
        at = now - timedelta(seconds=chance.randrange(42 * 86400))
        likely = (0.9 if 7 <= at.hour < 19 else 0.2) * (1 if at.weekday() < 5 else 0.4)
        if chance.random() < likely:
            break
    ((outcome, reason),) = chance.choices(list(OUTCOMES), list(OUTCOMES.values()))
    mailbox = chance.choice(list(ids))
    is_unknown = reason == "unknown_email"
    return (
        new_id(at),
        at,
        None if is_unknown else ids[mailbox],
        f"{'x' if is_unknown else ''}{mailbox}@example.com",
        outcome,
        reason,
        f"203.0.113.{chance.randrange(1, 40)}",
        *chance.choice(DEVICES),
    )


def take_all(browser: Browser, url: str) -> None:
    """Sign in once, then take every page in every look."""
    with browser.new_context(locale="en-US") as stranger:
        for name in DOORS:
            take(stranger, f"{url}/ui/{name}", f"door-{name}")
    with browser.new_context(locale="en-US", timezone_id="Europe/Berlin") as ada:
        settle(ada, url)
        for path in ACCOUNT:
            take(ada, f"{url}/ui/account{path}", f"account{path.replace('/', '-')}")
        for name in CONSOLE:
            take(ada, f"{url}/console/{name}", f"console-{name.replace('/', '-')}")
        page = ada.new_page()
        page.goto(f"{url}/console/users?search=grace")
        person = page.get_by_role("link", name="Grace Hopper").first
        if person.count():
            take(ada, str(person.evaluate("one => one.href")), "console-user")
        page.goto(f"{url}/console/resources")
        api = page.get_by_role("link", name="Orders").first
        take(ada, str(api.evaluate("one => one.href")), "console-resource")


def settle(ada: BrowserContext, url: str) -> None:
    """Sign in as the administrator, and add a name, a passkey, and an app and a role to show."""
    page = ada.new_page()
    page.goto(f"{url}/ui/sign-in")
    page.locator("#f-email").fill(ADMIN)
    page.locator("#f-password").fill(PASSWORD)
    page.locator("button.primary").click()
    page.wait_for_url("**/ui/account")
    page.locator("#f-name").fill("Ada Lovelace")
    page.locator("main button[type=submit]").first.click()
    page.wait_for_load_state()
    for path, form in SHOWN.items():
        sent = ada.request.post(f"{url}/console/{path}", form=form, headers={"Origin": url[:-5]})
        if not sent.ok:
            raise RuntimeError(f"{path} answers {sent.status}")
    add_passkey(ada, page, url)
    page.close()


def add_passkey(ada: BrowserContext, page: Page, url: str) -> None:
    protocol = ada.new_cdp_session(page)
    protocol.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "automaticPresenceSimulation": True,
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
    }
    protocol.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page.goto(f"{url}/ui/account/passkeys/new")
    page.get_by_label("Name").fill("Work laptop")
    page.locator("[data-passkey-button]").click()
    page.wait_for_selector(".codes, .recovery-codes, code")


def take(context: BrowserContext, url: str, name: str) -> None:
    """Take a page in every look; one that is not there yet is left out."""
    page = context.new_page()
    for look in LOOKS:
        page.set_viewport_size({"width": look.width, "height": look.height})
        page.emulate_media(color_scheme=look.scheme, reduced_motion="reduce")
        mark = "&" if "?" in url else "?"
        answer = page.goto(f"{url}{mark}lang={look.language}")
        if answer is not None and answer.status == 404 and not name.endswith("nowhere"):
            print(f"There is no page {url}")
            break
        page.evaluate("document.fonts.ready")
        page.screenshot(path=FOLDER / f"{name}-{look.name}.png")
    page.close()


if __name__ == "__main__":
    sys.exit(main())
