"""Keyset pagination. A cursor is the signed place of the last row in the order."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from keyfob.core.encoding import from_base64url, to_base64url
from keyfob.core.encryption import KEY_ID_BYTES, KeyRing
from keyfob.core.problems import InvalidCursor
from keyfob.core.secrets import compare_digest

_MAC_BYTES = 16
_LONGEST = 1024

Place = list[str]


class Cursors:
    """Writes and reads cursors; `kind` names the list and its order, and is authenticated."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def write(self, kind: str, place: Place) -> str:
        """Return the cursor of the rows after `place`."""
        body = json.dumps(place).encode()
        key = self._ring.first
        mac = key.mac(kind.encode() + b"\0" + body)[:_MAC_BYTES]
        return to_base64url(key.id + mac + body).decode("ascii")

    def read(self, kind: str, text: str) -> Place:
        """Return the place that a cursor stands for.

        Raises:
            InvalidCursor: it was not made here, or belongs to another list or order.
        """
        if len(text) > _LONGEST:
            raise InvalidCursor
        try:
            data = from_base64url(text)
        except ValueError:
            raise InvalidCursor from None
        body = data[KEY_ID_BYTES + _MAC_BYTES :]
        key = self._ring.find(data[:KEY_ID_BYTES])
        if key is None or not compare_digest(
            key.mac(kind.encode() + b"\0" + body)[:_MAC_BYTES],
            data[KEY_ID_BYTES : KEY_ID_BYTES + _MAC_BYTES],
        ):
            raise InvalidCursor
        place: Place = json.loads(body)
        return place


def timed_place(at: datetime, row_id: UUID) -> Place:
    """Return the place of a row in an order by time and id."""
    return [at.isoformat(), str(row_id)]


def read_timed_place(place: Place | None) -> tuple[datetime, UUID] | None:
    """Return the time and id of a place that `timed_place` made; None for the first page."""
    return None if place is None else (datetime.fromisoformat(place[0]), UUID(place[1]))


def written(conditions: Sequence[tuple[str, Sequence[Any]]]) -> tuple[str, list[Any]]:
    """Return a WHERE clause, and the values of its parameters, which begin with $1.

    Each condition has a hole `{}` for each of its values.
    """
    texts: list[str] = []
    values: list[Any] = []
    for text, of_text in conditions:
        first = len(values) + 1
        texts.append(text.format(*(f"${first + place}" for place in range(len(of_text)))))
        values += of_text
    return f"WHERE {' AND '.join(texts)}" if texts else "", values
