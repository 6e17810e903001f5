"""What README shows a service that verifies tokens by itself, run as it stands there."""

import re
from pathlib import Path
from typing import Any

import jwt
import pytest
from tests.fixtures.world import World

from keyfob.core.clock import Clock
from keyfob.settings import Settings

ROOT = Path(__file__).parents[2]


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
    samples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    sample = next(one for one in samples if "PyJWKClient" in one)
    known: dict[str, Any] = {}

    exec(compile(sample, name, "exec"), known)

    claims = known["caller_of"](user.access)
    assert claims["sid"] == user.session_id
    with pytest.raises(jwt.InvalidTokenError):
        known["caller_of"](user.access[:-4] + "AAAA")
    # EdDSA is not in PyJWT itself: without the extra, the sample ends in an InvalidAlgorithmError.
    assert "pyjwt[crypto]" in text[: text.index(sample)].rpartition("\n## ")[2]
