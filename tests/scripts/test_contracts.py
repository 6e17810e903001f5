"""The contract of the rooms says what is wrong with an import."""

from pathlib import Path

import pytest
from scripts.contracts import judge, ranks, rooms

PACKAGE = Path(__file__).parents[2] / "src" / "keyfob"


@pytest.mark.parametrize(
    ("importer", "imported", "why"),
    [
        ("keyfob.accounts.service", "keyfob.sessions.models", "stands no lower"),
        ("keyfob.admin.routes", "keyfob.health.service", "stands no lower"),
        ("keyfob.core.feed", "keyfob.accounts.models", "stands no lower"),
        ("keyfob.serving.protocol", "keyfob.limits.rates", "stands no lower"),
        ("keyfob.login.service", "keyfob.accounts.queries", "that room's own"),
        ("keyfob.login.service", "keyfob.accounts.credential_queries", "that room's own"),
        ("keyfob.app", "keyfob.admin.record_routes", "that room's own"),
        ("keyfob.sessions.service", "keyfob.core.queries", "that room's own"),
        ("keyfob.billing.service", "keyfob.core.clock", "not in wiring.ROOMS"),
    ],
)
def test_what_goes_up_or_into_another_room_is_named(importer: str, imported: str, why: str) -> None:
    (line,) = judge(importer, imported, ranks(PACKAGE))

    assert why in line


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("keyfob.sessions.service", "keyfob.accounts.models"),
        ("keyfob.accounts.service", "keyfob.accounts.queries"),
        ("keyfob.boot.database", "keyfob.core.queries"),
        ("keyfob.migrations.env", "keyfob.boot"),
    ],
)
def test_what_goes_down_is_not(importer: str, imported: str) -> None:
    assert list(judge(importer, imported, ranks(PACKAGE))) == []


def test_every_folder_with_a_room_is_in_the_list() -> None:
    assert sorted(rooms(PACKAGE)) == sorted(path.parent.name for path in PACKAGE.glob("*/room.py"))
