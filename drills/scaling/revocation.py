"""The time until a logout at one instance is known at the others."""

import time
import uuid
from collections.abc import Sequence

from drills.harness.ledger import PASSWORD
from drills.harness.wire import Wire

# Logouts that are watched, one after the other.
LOGOUTS = 10

# Seconds within which a revocation is known everywhere (docs/adr/0011-revocation.md).
LONGEST_LAG = 1.0

_GIVE_UP = 10.0


async def slowest_revocation(ports: Sequence[int]) -> float:
    """Sign out at one instance and ask the others; return the seconds that the slowest took.

    Raises:
        RuntimeError: an instance does not know a live token, so its refusal would tell nothing.
    """
    wires = [Wire(port) for port in ports]
    slowest = 0.0
    for turn in range(LOGOUTS):
        at = turn % len(wires)
        slowest = max(slowest, await _refused_everywhere(wires[at], wires[:at] + wires[at + 1 :]))
    for wire in wires:
        wire.close()
    return slowest


async def _refused_everywhere(here: Wire, others: Sequence[Wire]) -> float:
    body = {"email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD}
    token = (await here.ask("POST", "/register", body=body)).json()["access_token"]
    answers = [await wire.ask("GET", "/me", token=token) for wire in others]
    if any(answer.status != 200 for answer in answers):
        raise RuntimeError(f"a live token is refused: {answers}")
    await here.ask("DELETE", "/logout", token=token)
    since = time.monotonic()
    for other in others:
        while (await other.ask("GET", "/me", token=token)).status != 401:
            if time.monotonic() - since > _GIVE_UP:
                return time.monotonic() - since
    return time.monotonic() - since


def told(slowest: float) -> str:
    """Write the note of a drill."""
    return (
        f"from a logout at one instance to its refusal at the others, the slowest of {LOGOUTS}: "
        f"{slowest * 1000:.0f} ms"
    )


def late(slowest: float) -> list[str]:
    """Tell a promise that was missed."""
    return [f"a revocation took {slowest:.2f} s"] if slowest > LONGEST_LAG else []
