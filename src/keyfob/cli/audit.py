"""`keyfob audit`: the chain of the audit log."""

from typing import NamedTuple

import typer

from keyfob.audit.chain import Beginning
from keyfob.audit.service import Audit
from keyfob.cli.context import run_with_services
from keyfob.cli.output import AsJson, show_one
from keyfob.cli.refusal import Refused
from keyfob.wiring import Wiring

app = typer.Typer(help="Maintain the chain of the audit log.", no_args_is_help=True)


class KnownEvent(NamedTuple):
    """An audit event that a copy outside the database contains."""

    position: int
    mac: str | None

    @classmethod
    def parse(cls, given: str | None) -> "KnownEvent | None":
        if given is None:
            return None
        position, _, mac = given.partition(":")
        if not (position.isascii() and position.isdigit()):
            raise typer.BadParameter("should be POSITION or POSITION:MAC")
        return cls(int(position), mac.lower() or None)


@app.callback()
def audit() -> None:
    """Maintain the chain of the audit log."""


@app.command("begin-anew")
def begin_anew(as_json: AsJson = False) -> None:
    """Begin the chain of the audit log anew, if `keyfob doctor` says that it is broken.

    First find out why it broke: a lost secret key is an explanation, an event that nobody can
    account for is an attack. The event `audit.begun_anew` records when, and where the break was,
    and fixes the events after it as they are now. `keyfob doctor` reports it from then on.

    Examples:

        keyfob audit begin-anew
    """

    async def work(wiring: Wiring) -> Beginning | None:
        service: Audit = wiring.services[Audit]
        return await service.begin_anew()

    begun = run_with_services(work)
    if begun is None:
        raise Refused("the audit chain holds; there is nothing to begin anew")
    show_one(
        {"position": begun.position, "broken_at": begun.broken_at},
        as_json=as_json,
        sentence=f"The audit chain begins anew at position {begun.position}; "
        f"it was broken at {begun.broken_at}.",
    )


async def judge_chain(audit: Audit, known: KnownEvent | None) -> tuple[bool, str]:
    """Tell whether the chain is intact and contains a known event; with a sentence about it."""
    verdict = await audit.verify()
    if verdict.broken_at is not None:
        return False, f"broken at position {verdict.broken_at}; docs/runbook.md says what to do"
    if known and (missed := await _misses(audit, known)):
        return False, missed
    says = f"{verdict.checked} events hold"
    if begun := verdict.begun_anew:
        says += (
            f"; begun anew at position {begun.position} on {begun.at:%Y-%m-%d at %H:%M:%SZ}, "
            f"for it was broken at {begun.broken_at}"
        )
    return True, says


async def _misses(audit: Audit, known: KnownEvent) -> str | None:
    """Return how the log differs from a copy outside the database; None if it does not."""
    last = await audit.last_position()
    if last < known.position:
        return f"ends at position {last}, before {known.position}: the newest were cut off"
    mac = await audit.find_mac(known.position)
    if known.mac and (mac or b"").hex() != known.mac:
        return f"has another event at position {known.position}: it was cut off before"
    return None
