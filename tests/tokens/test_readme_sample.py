"""The README's sample for services that verify tokens, run unchanged."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World

from keyfob.core.clock import Clock
from keyfob.settings import Settings

ROOT = Path(__file__).parents[2]


def sample_of(name: str) -> str:
    """Return the first Python program of a page that uses PyJWT."""
    samples = re.findall(
        r"```python.*?\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL
    )
    return next(one for one in samples if "PyJWKClient" in one)


@pytest.mark.parametrize("name", ["README.md", "README.ru.md"])
async def test_the_sample_verifies_a_token_and_names_what_it_needs(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async with World(settings, Clock()) as world:  # PyJWT goes by the real time
        await world.make_user()
        user = await world.log_in()
        published = (await world.api.get("/.well-known/jwks.json")).json()
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda _: published)
    text = (ROOT / name).read_text(encoding="utf-8")
    sample = sample_of(name)
    known: dict[str, Any] = {}

    exec(compile(sample, name, "exec"), known)

    claims = known["caller_of"](user.access)
    assert claims["sid"] == user.session_id
    with pytest.raises(jwt.InvalidTokenError):
        known["caller_of"](user.access[:-4] + "AAAA")
    # EdDSA is not in PyJWT itself: without the extra, the sample ends in an InvalidAlgorithmError.
    assert "pyjwt[crypto]" in text[: text.index(sample)].rpartition("\n## ")[2]


@pytest.mark.parametrize("name", ["README.md", "README.ru.md", "docs/verifying.md"])
async def test_a_service_whose_clock_is_a_little_behind_takes_fresh_tokens(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A fresh token is issued in its future."""
    async with World(settings, MovableClock(Clock().now() + timedelta(seconds=5))) as world:
        await world.make_user()
        user = await world.log_in()
        published = (await world.api.get("/.well-known/jwks.json")).json()
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda _: published)
    monkeypatch.setenv("KEYFOB_ISSUER", "http://localhost:8000/auth")
    known: dict[str, Any] = {"__name__": "verify"}

    exec(compile(sample_of(name), name, "exec"), known)

    assert known["caller_of"](user.access)["sid"] == user.session_id
