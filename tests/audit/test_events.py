"""The catalogue of events, the docs' list of them, and the code that records them agree."""

import re
from pathlib import Path

from keyfob.audit.events import Event

ROOT = Path(__file__).resolve().parents[2]
CODE = {
    path: path.read_text(encoding="utf-8")
    for path in (ROOT / "src/keyfob").rglob("*.py")
    if path.name != "events.py"
}


def test_the_docs_list_the_catalogue() -> None:
    page = (ROOT / "docs/metrics-and-logs.md").read_text(encoding="utf-8")
    listed = re.search(r"(?<=<!-- events -->\n).*?(?=<!-- /events -->)", page, re.DOTALL)
    rows = [
        "| event | `actor_id` | `target_id` | what happened |",
        "|---|---|---|---|",
        *(f"| `{event}` | {event.actor} | {event.target} | {event.meaning} |" for event in Event),
    ]

    assert listed
    assert listed[0].splitlines() == rows


def test_a_name_is_that_of_its_event() -> None:
    assert [event.name for event in Event] == [
        event.value.replace(".", "_").upper() for event in Event
    ]


def test_every_event_is_recorded_somewhere_and_by_its_name_in_the_catalogue() -> None:
    recorded = {
        name for text in CODE.values() for name in re.findall(r"\bEvent\.([A-Z_]+)\b", text)
    }
    written_out = [path for path, text in CODE.items() for event in Event if f'"{event}"' in text]

    assert recorded == set(Event.__members__)
    assert written_out == []
