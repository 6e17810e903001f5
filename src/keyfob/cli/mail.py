"""`keyfob mail`: mails that wait, and mails that could not be sent."""

from typing import Annotated, Any
from uuid import UUID

import typer

from keyfob.administration.authority import Actor
from keyfob.administration.upkeep import Upkeep
from keyfob.cli.context import run_with_services
from keyfob.cli.output import AsJson, show_one, show_rows
from keyfob.cli.refusal import Refused
from keyfob.outbox.models import ShownJob
from keyfob.outbox.service import Outbox
from keyfob.wiring import Wiring

app = typer.Typer(help="List waiting mails, and retry dead letters.", no_args_is_help=True)


@app.command("list")
def list_mails(
    failed: Annotated[bool, typer.Option("--failed", help="Dead letters only.")] = False,
    as_json: AsJson = False,
) -> None:
    """List waiting and failed mails, oldest first, with the reasons.

    Sent mails are not kept. Dead letters are kept for 30 days. The list also contains requests that
    may become mails, such as `recover.request`.

    Examples:

        keyfob mail list

        keyfob mail list --failed --json
    """

    async def work(wiring: Wiring) -> list[dict[str, Any]]:
        outbox: Outbox = wiring.services[Outbox]
        return [_row_of(job) for job in await outbox.list_shown(failed_only=failed)]

    show_rows(run_with_services(work, open_keys=False), as_json=as_json)


@app.command("retry")
def retry(
    ids: Annotated[list[UUID] | None, typer.Argument(help="The ids of dead letters.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters after all, such as after a mistake of the mail server.

    Dead letters with expired links stay: whoever asked can ask again. Waiting mails are retried
    automatically, and `keyfob mail list` says when.

    Examples:

        keyfob mail retry 01a20320-a200-72b8-a8ee-5ea20fd1f951

        keyfob mail retry --all
    """
    if bool(ids) == everything:
        raise typer.BadParameter("Give ids of dead letters, or --all.")

    async def work(wiring: Wiring) -> tuple[list[UUID], int]:
        outbox: Outbox = wiring.services[Outbox]
        retried = await wiring.services[Upkeep].retry_all(Actor(None), ids or None)
        jobs = await outbox.list_shown()
        return retried, sum(not job.failed_at and job.id not in retried for job in jobs)

    retried, waiting = run_with_services(work)
    if left := [str(one) for one in dict.fromkeys(ids or []) if one not in retried]:
        raise Refused(
            f"retried {len(retried)}; no dead letters, or with dead links: {', '.join(left)}"
        )
    sentence = f"Retried {len(retried)} dead letters; a running service sends them at once."
    if waiting:
        sentence += f" {waiting} others wait: `keyfob mail list` says when they are tried again."
    show_one({"retried": [str(one) for one in retried]}, as_json=as_json, sentence=sentence)


def _row_of(job: ShownJob) -> dict[str, Any]:
    row = job._asdict()
    del row["expires_at"]
    return row
