"""The mail server away: waits for the capability."""

from drills.harness.crowd import Size
from drills.harness.outcome import Outcome


async def mail_away(_: Size) -> Outcome:
    """SMTP down or slow: requests as fast as ever, each mail delivered later, once."""
    return Outcome("took the mail server away", unavailable="Keyfob sends no mail yet")
