"""docs/verifying.md: its table is what is tried, and its program for PyJWT does what it says.

The others are run by `make verifiers`.
"""

import re
from pathlib import Path
from typing import Any

import jwt
import pytest
from clients.verifying import forging
from clients.verifying.__main__ import programs_of_page
from clients.verifying.verifiers import ALL, HERE, VERIFIERS
from tests.fixtures.world import World

from keyfob.core.clock import Clock
from keyfob.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "verifying.md").read_text(encoding="utf-8")
PROGRAM = programs_of_page()["pyjwt"][1]
# What the table calls the library of each program.
NAMED = {
    "pyjwt": "PyJWT",
    "joserfc": "joserfc",
    "jose": "jose",
    "jsonwebtoken": "jsonwebtoken",
    "go": "golang-jwt",
    "nimbus": "Nimbus JOSE + JWT",
    "spring": "Spring Security",
    "kotlin": "java-jwt",
    "php": "firebase/php-jwt",
    "ruby": "jwt",
    "rust": "jsonwebtoken",
}


def rows() -> dict[tuple[str, str], list[str]]:
    """Return language and library, and the cells beside, of each row of the table."""
    found = re.findall(r"^\| ([\w.]+): ([^|]+?) \|(.+)\|$", PAGE, re.MULTILINE)
    return {(row[0], row[1]): [cell.strip() for cell in row[2].split("|")] for row in found}


@pytest.mark.parametrize(
    ("program", "bound"),
    [
        ("pyjwt", "lifespan=300"),
        ("jose", "cacheMaxAge: 300_000"),
        ("jsonwebtoken", "cacheMaxAge: 300_000, rateLimit: true"),
        ("go", "RefreshInterval: 5 * time.Minute"),
        ("kotlin", "cached(10, 5, TimeUnit.MINUTES)"),
        ("ruby", "options[:kid_not_found] ? 10 : 300"),
    ],
)
def test_programs_that_keep_the_key_set_keep_it_for_five_minutes(program: str, bound: str) -> None:
    assert bound in programs_of_page()[program][1]


def test_the_program_that_is_not_run_keeps_to_it_too() -> None:
    assert "AutomaticRefreshInterval = TimeSpan.FromMinutes(5)" in PAGE
    assert "RefreshInterval = TimeSpan.FromSeconds(10)" in PAGE
    assert "RequestRefresh()" in PAGE


def test_the_table_is_what_is_tried() -> None:
    told = {
        name: tuple(alg for alg, says in zip(ALL, cells[1:4], strict=True) if says == "yes")
        for (language, name), cells in rows().items()
        if language != ".NET"
        for name in [name if language != "Rust" else f"{name} of Rust"]
    }
    tried = {
        NAMED[each.name] + (" of Rust" if each.name == "rust" else ""): each.knows
        for each in VERIFIERS
    }

    assert told == tried
    assert programs_of_page().keys() == NAMED.keys() == {each.name for each in VERIFIERS}
    assert rows()[".NET", "Microsoft.IdentityModel"][0] == "not run"


def test_the_versions_of_the_table_are_those_that_are_pinned() -> None:
    pins = [*HERE.glob("*/*.*"), ROOT / "requirements" / "runtime.txt"]
    pinned = "\n".join(file.read_text() for file in pins if file.suffix != ".pyc")

    for (language, name), (version, *_) in rows().items():
        if language not in {"Ruby", ".NET"}:  # of Debian; not run
            assert re.search(rf"(?<![\d.]){re.escape(version)}(?![\d.])", pinned), name


def test_the_program_for_pyjwt_believes_and_refuses_what_it_should(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with forging.issuer() as issuer:
        caller_of = run_program(issuer, monkeypatch)

        assert caller_of(forging.good(issuer))["sub"] == "ada"
        for token in forging.bad(issuer).values():
            with pytest.raises(jwt.PyJWTError):
                caller_of(token)


@pytest.mark.parametrize("algorithm", ALL)
async def test_the_program_for_pyjwt_believes_tokens_of_the_service(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    told = settings.model_copy(update={"signing_algorithm": algorithm})
    async with World(told, Clock()) as world:  # PyJWT goes by the real time
        await world.make_user()
        user = await world.log_in()
        published = (await world.api.get("/.well-known/jwks.json")).json()
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda _: published)

    claims = run_program(told.issuer_url, monkeypatch)(user.access)

    assert claims["sid"] == user.session_id


def run_program(issuer: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Execute the page's program, and return its function."""
    monkeypatch.setenv("KEYFOB_ISSUER", issuer)
    known: dict[str, Any] = {"__name__": "verify"}
    exec(compile(PROGRAM, "docs/verifying.md", "exec"), known)
    return known["caller_of"]
