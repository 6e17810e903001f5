"""Rendering a long page lets others have their turn."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from keyfob.core.locales import Locale
from keyfob.web.engine import Brand, Engine, Shell

SHELL = Shell(
    root="",
    signs_in=True,
    path="/ui/help",
    query="",
    locale=Locale.ENGLISH,
    zone=None,
    user=None,
    can=frozenset(),
    brand=Brand(),
)
ROWS = 10_000


@dataclass(frozen=True)
class LongPage:
    template: ClassVar[str] = "long.html"

    rows: range


@dataclass(frozen=True)
class ShortPage(LongPage):
    template: ClassVar[str] = "short.html"


async def test_others_have_their_turn_while_a_long_page_is_rendered(tmp_path: Path) -> None:
    (tmp_path / "long.html").write_text("{% for row in page.rows %}<p>{{ row }}</p>{% endfor %}")
    (tmp_path / "short.html").write_text("{{ page.rows|length }}")
    engine = Engine("", brand=Brand(), signs_in=True, further=tmp_path)
    assert await engine.render(ShortPage(range(3)), SHELL) == "3"  # compiles, in a thread
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(take_turns())
    html = await engine.render(LongPage(range(ROWS)), SHELL)
    other.cancel()

    assert html == "".join(f"<p>{row}</p>" for row in range(ROWS))
    assert turns > 1
