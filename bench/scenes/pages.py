"""Pages: CPU of the server for one, bytes of a visit, memory of a worker that has shown them all.

There are ten thousand users. Bytes are those of bodies, compressed as the server sends them to a
browser; on a first visit these are the page, its style sheet, its scripts with what they import,
the fonts that it loads beforehand, and its icon. Memory is taken after each page in each language,
mails, and the calls of programs.
"""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

from bench.harness import cluster, figures, processes, servers
from bench.harness.browsing import LIST, PREFIX, Browser, administrator, text_of
from bench.harness.clients import PASSWORD
from bench.harness.load import Connection, request
from bench.harness.population import Population, fill
from bench.scenes.programs import gets_tokens

USERS = Population(10_000, 30_000, 100_000)
SIGN_IN = f"{PREFIX}/ui/sign-in"
ACCOUNT = f"{PREFIX}/ui/account"
OVERVIEW = f"{PREFIX}/console/overview"
_OF_STRANGERS = ("sign-in", "register", "recover", "help")
_OF_ACCOUNTS = (
    *("", "/security", "/password", "/email", "/activity", "/data", "/keys", "/keys/new"),
    *("/apps", "/passkeys/new"),
)
_OF_CONSOLE = (
    *("overview", "users", "users?search=4711", "users?size=100", "users/new", "logins", "audit"),
    *("clients", "clients/new", "roles", "new-role", "service"),
)
_LANGUAGES = ("en", "ru")
_LOADED = re.compile(r'(?:href|src)="([^"]*/ui/static/[^"]*)"')
_IMPORTED = re.compile(r'(?:from|import)\s*"\./([^"]*)"')
_MOST_SECONDS_OF_MAIL = 30

Read = Callable[[], Awaitable[int]]


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    with servers.keyfob(dsn):
        pass  # migrates
    fill(dsn, USERS)
    with _mail_server() as port:
        settings = {"SMTP_URL": f"smtp://{servers.HOST}:{port}", "BCRYPT_COST": 4}
        with servers.keyfob(dsn, **settings) as server:
            time.sleep(2)  # at rest: the start's own work is done
            rest = processes.resident_mb(server.process.pid)
            asyncio.run(_use_everything(server))
            used = processes.resident_mb(server.process.pid)
            _tell_of_memory(report, rest, used)
            asyncio.run(_weigh(report, server))
            asyncio.run(_cost(report, server, rounds, seconds))


@contextmanager
def _mail_server() -> Iterator[int]:
    """A mail server that takes everything; gives its port."""
    port = cluster.free_port()
    command = ["-m", "aiosmtpd", "-n", "-l", f"{servers.HOST}:{port}"]
    sink = subprocess.Popen([sys.executable, *command, "-c", "aiosmtpd.handlers.Sink"])
    try:
        yield port
    finally:
        sink.terminate()
        sink.wait(30)


def _tell_of_memory(report: figures.Report, rest: float, used: float) -> None:
    report.add(
        "resident memory after all pages, mails and calls of programs",
        [used],
        160,
        f"{rest:.0f} MB before",
        at_most=True,
        unit=" MB",
    )


async def _use_everything(server: servers.Server) -> None:
    connection = Connection(servers.HOST, server.port)
    for language in _LANGUAGES:
        headers = {"accept-language": language}
        for path in _OF_STRANGERS:
            await _read(Browser(connection, **headers), f"{PREFIX}/ui/{path}")
        reader = await administrator(connection, **headers)
        for path in _OF_ACCOUNTS:
            await _read(reader, ACCOUNT + path)
        for path in _OF_CONSOLE:
            await _read(reader, f"{PREFIX}/console/{path}")
        await _read(reader, await _first_user(reader))
    await _send_mails(connection)
    token = await gets_tokens(connection, 0)
    assert await token() == 200
    connection.close()


async def _read(browser: Browser, path: str) -> None:
    answer = await browser.get(path)
    assert answer.status == 200, (path, answer)


async def _first_user(reader: Browser) -> str:
    """Return the path of a user's page, from the list."""
    found = re.search(rf'href="({LIST}/[0-9a-f-]{{36}})"', text_of(await reader.get(LIST)))
    assert found
    return found[1]


async def _send_mails(connection: Connection) -> None:
    """Cause mails in both languages, and wait until they are sent."""
    for language in _LANGUAGES:
        body = {"email": f"{language}@bench.example.com", "password": PASSWORD}
        headers = {"accept-language": language}
        for path, sent in (
            ("/register", body),
            ("/verify-email/request", {"email": body["email"]}),
            ("/recover/request", {"email": body["email"]}),
        ):
            answer = await connection.send(request("POST", path, body=sent, headers=headers))
            assert answer.status in {201, 202}, (path, answer)
    reader = await administrator(connection)
    until = time.monotonic() + _MOST_SECONDS_OF_MAIL
    while "/outbox/" in text_of(await reader.get(f"{PREFIX}/console/service")):
        assert time.monotonic() < until, "mails are not sent"
        await asyncio.sleep(0.1)


async def _weigh(report: figures.Report, server: servers.Server) -> None:
    connection = Connection(servers.HOST, server.port)
    reader = await administrator(connection)
    for name, browser, path, bound in (
        ("sign-in", Browser(connection), SIGN_IN, 60),
        ("account", reader, ACCOUNT, 70),
        ("console", reader, OVERVIEW, 90),
    ):
        sizes = await _first_visit(browser, path)
        report.add(
            f"first visit, {name}",
            [sum(sizes) / 1000],
            bound,
            f"{len(sizes)} requests; the page itself {sizes[0] / 1000:.1f} kB",
            at_most=True,
            unit=" kB",
        )
        report.add(f"requests of a first visit, {name}", [len(sizes)], 8, "", at_most=True)
    for name, path in (("account", ACCOUNT), ("overview", OVERVIEW), ("list of 25 users", LIST)):
        size = len((await reader.get(path)).body) / 1000
        report.figure("pages", name, "bytes", "kB", [size])
    connection.close()


async def _first_visit(browser: Browser, path: str) -> list[int]:
    """Return the bytes of a page and of each file that a browser loads with it."""
    page = await browser.get(path)
    assert page.status == 200, (path, page)
    waiting, sizes = list(dict.fromkeys(_LOADED.findall(text_of(page)))), [len(page.body)]
    for file in waiting:
        answer = await browser.get(file)
        assert answer.status == 200, (file, answer)
        sizes.append(len(answer.body))
        if file.endswith(".js"):
            folder = file.rpartition("/")[0]
            for name in _IMPORTED.findall(text_of(answer)):
                if f"{folder}/{name}" not in waiting:
                    waiting.append(f"{folder}/{name}")
    return sizes


async def _cost(
    report: figures.Report, server: servers.Server, rounds: int, seconds: float
) -> None:
    connection = Connection(servers.HOST, server.port)
    stranger, reader = Browser(connection), await administrator(connection)
    pages = (
        ("sign-in", stranger, SIGN_IN, 1),
        ("account", reader, ACCOUNT, None),
        ("overview", reader, OVERVIEW, None),
        ("list of 25 users", reader, LIST, 5),
    )
    seen: dict[str, list[float]] = {name: [] for name, *_ in pages}
    for _ in range(rounds):
        for name, browser, path, _bound in pages:
            seen[name].append(await cpu_of_page(server, browser, path, seconds / 2))
    for name, _browser, _path, bound in pages:
        tell_cost(report, name, seen[name], bound)
    connection.close()


async def cpu_of_page(server: servers.Server, browser: Browser, path: str, seconds: float) -> float:
    """Read a page again and again; return the CPU time of the server for one, in ms."""
    await _read(browser, path)  # the first page of a worker compiles the templates
    before, count = processes.own_cpu_seconds(server.process.pid), 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await _read(browser, path)
        count += 1
    return (processes.own_cpu_seconds(server.process.pid) - before) / count * 1000


def tell_cost(
    report: figures.Report, name: str, values: Sequence[float], bound: float | None
) -> None:
    report.figure("pages", name, "server CPU", "ms", values)
    if bound is not None:
        report.add(f"{name}, server CPU", values, bound, "", at_most=True, unit=" ms")
