"""The second step of a sign-in: its handle, in a cookie of the browser that began it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from enum import StrEnum
from typing import NamedTuple

_LONGEST_EMAIL = 254


class StepKind(StrEnum):
    """The missing part: a second factor, or a password of one's own."""

    FACTOR = "factor"
    CHOOSING = "choosing"


class Step(NamedTuple):
    """The handle of a pending login or of a change of password; the address is for a new start."""

    kind: StepKind
    token: str
    email: str

    def write(self) -> str:
        """Return it as the value of a cookie."""
        email = urlsafe_b64encode(self.email.encode()).decode().rstrip("=")
        return f"{self.kind}.{self.token}.{email}"


def read_step(value: str | None, kind: StepKind) -> Step | None:
    """Return the step of a cookie; None if there is none of that kind.

    It may be forged: the token is checked where it is used.
    """
    parts = value.split(".") if value else []
    if len(parts) != 3 or parts[0] != kind:
        return None
    try:
        email = urlsafe_b64decode(parts[2] + "=" * (-len(parts[2]) % 4)).decode()
    except ValueError:
        return None
    return Step(kind, parts[1], email[:_LONGEST_EMAIL])
