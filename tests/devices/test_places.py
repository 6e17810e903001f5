"""Places are named from the operator's own file, or not at all."""

from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet
from tests.fixtures.places import write_places

from keyfob.devices.places import Places
from keyfob.settings import WrongSetting


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places.of_file(write_places(tmp_path / "places.mmdb"))


@pytest.mark.parametrize(
    ("address", "locale", "name"),
    [
        ("203.0.113.7", "en", "Paris, France"),
        ("203.0.113.7", "ru", "Париж, Франция"),
        ("2001:db8::1", "ru", "Tromsø, Норвегия"),  # of the city only the English name is there
        ("198.51.100.1", "en", "Kenya"),
        ("192.0.2.1", "en", None),
        ("203.0.113.7", "tlh", "Paris, France"),
        (None, "en", None),
    ],
)
def test_an_address_has_its_place_in_the_language(
    places: Places, address: str | None, locale: str, name: str | None
) -> None:
    assert places.find(address, locale) == name


def test_all_languages_at_once(places: Places) -> None:
    assert places.find_all("203.0.113.7") == {"en": "Paris, France", "ru": "Париж, Франция"}
    assert places.find_all("192.0.2.1") == {}


def test_a_file_of_ipv4_alone_knows_no_ipv6(tmp_path: Path) -> None:
    writer = MMDBWriter(4, "test")
    writer.insert_network(IPSet(["203.0.113.0/24"]), {"city": {"names": {"en": "Paris"}}})
    writer.to_db_file(str(tmp_path / "four.mmdb"))
    places = Places.of_file(tmp_path / "four.mmdb")

    assert places.find("203.0.113.7", "en") == "Paris"
    assert places.find("2001:db8::1", "en") is None


def test_records_of_another_shape_name_nothing(tmp_path: Path) -> None:
    writer = MMDBWriter(4, "test")
    odd: dict[str, Any] = {
        "203.0.113.0/24": {"city": "Paris", "country": {"names": ["France"]}},
        "198.51.100.0/24": {"country": {"names": {"en": 33}}},
        "192.0.2.0/24": "Paris",
    }
    for network, record in odd.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(tmp_path / "odd.mmdb"))
    places = Places.of_file(tmp_path / "odd.mmdb")

    assert [
        places.find(address, "en") for address in ("203.0.113.7", "198.51.100.7", "192.0.2.7")
    ] == [None, None, None]


def test_without_a_file_no_place_has_a_name() -> None:
    assert Places.of_file(None).find("203.0.113.7", "en") is None


def test_a_missing_file_is_named_with_its_variable(tmp_path: Path) -> None:
    with pytest.raises(WrongSetting, match=r"^KEYFOB_GEOIP_DATABASE: .*none\.mmdb: No such file"):
        Places.of_file(tmp_path / "none.mmdb")


def test_another_file_is_named_with_its_variable(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no database")

    with pytest.raises(WrongSetting, match=r"^KEYFOB_GEOIP_DATABASE: .*should be a MaxMind"):
        Places.of_file(tmp_path / "notes.txt")
