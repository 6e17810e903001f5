"""Names of places, from a MaxMind file if one is configured; Keyfob ships none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import maxminddb

from keyfob.core.locales import Locale
from keyfob.settings import WrongSetting


class Places:
    """Finds the approximate place of an address, to help users recognise sign-ins; no proof of it.

    Fast enough for the event loop: the file is mapped into memory, and a look-up takes
    microseconds.
    """

    def __init__(self, reader: maxminddb.Reader | None = None) -> None:
        self._reader = reader

    @classmethod
    def of_file(cls, path: Path | None) -> "Places":
        """Open the file, once; without a file, no place has a name.

        Raises:
            WrongSetting: the file cannot be read, or is not a MaxMind file.
        """
        if path is None:
            return cls()
        try:
            return cls(maxminddb.open_database(path))
        except OSError as fault:
            raise WrongSetting(f"KEYFOB_GEOIP_DATABASE: {path}: {fault.strerror}") from None
        except maxminddb.InvalidDatabaseError:
            raise WrongSetting(
                f"KEYFOB_GEOIP_DATABASE: {path}: should be a MaxMind database (.mmdb)"
            ) from None

    def find(self, address: str | None, locale: str) -> str | None:
        """Return "City, Country" in a language, or the known part of it; None if there is none."""
        if self._reader is None or address is None:
            return None
        try:
            found = self._reader.get(address)
        except ValueError:  # an IPv6 address, and a file with IPv4 only
            return None
        if not isinstance(found, dict):
            return None
        parts = (_name(found.get(part), locale) for part in ("city", "country"))
        return ", ".join(part for part in parts if part) or None

    def find_all(self, address: str | None) -> dict[str, str]:
        """Return the name in each language of Keyfob's mails; empty if the place is unknown."""
        names = {locale: self.find(address, locale) for locale in Locale}
        return {locale: name for locale, name in names.items() if name}


def _name(part: Any, locale: str) -> str | None:
    names = part.get("names") if isinstance(part, Mapping) else None
    if not isinstance(names, Mapping):
        return None
    name = names.get(locale) or names.get(Locale.ENGLISH)
    return name if isinstance(name, str) else None
