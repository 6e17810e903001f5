"""`keyfob serve`: the start, from the settings to the first address that answers."""

import asyncio
import re
from collections.abc import Sequence
from typing import Annotated

import structlog
import typer

from keyfob import boot
from keyfob.cli.context import NOT_MIGRATED, read_settings, refusals
from keyfob.cli.refusal import Refused
from keyfob.core.stopping import end_in_order
from keyfob.core.telemetry import announce, configure_logging
from keyfob.mail.room import what_mail_exposes
from keyfob.migrations.head import HEAD
from keyfob.serving.listeners import CannotListen, open_listeners, port_of
from keyfob.serving.supervisor import serve as serve_until_stopped
from keyfob.settings import Settings

log = structlog.get_logger("keyfob.start")

# Addresses that a browser on this machine, or on the host of this container, can reach.
_HERE = re.compile(r"//(127\.0\.0\.1|0\.0\.0\.0|\[::1?\]):")


def serve(
    host: Annotated[str | None, typer.Option(help="Addresses to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Worker processes.")] = None,
) -> None:
    """Serve until SIGTERM, Ctrl+C or the end of the terminal.

    It starts the embedded PostgreSQL if no database is configured, migrates the schema to head and
    creates the first administrator.

    Examples:

        keyfob serve

        KEYFOB_DATABASE_URL=postgresql://keyfob@db/keyfob keyfob serve --host 0.0.0.0 --workers 4
    """
    raise typer.Exit(_serve(read_settings(host=host, port=port, workers=workers)))


def _serve(settings: Settings) -> int:
    """Serve until a signal, and return the exit code.

    Raises:
        Refused: the service cannot start; the message says why.
    """
    configure_logging(settings.log_level, settings.log_format)
    with refusals():
        _warn(settings)
        boot.check_first_admin(settings)
    # Until the server handles signals: a stop during the start leaves no database running, and
    # process 1 of a container would not get the signals at all.
    end_in_order(0)
    try:
        # First of all: a port that is taken should not cost a migration.
        listeners = open_listeners(settings.hosts, settings.port)
    except CannotListen as fault:
        raise Refused(str(fault)) from None
    settings = settings.model_copy(update={"port": port_of(listeners) or settings.port})
    with refusals(), boot.complete(settings, founding=True) as complete:
        password = asyncio.run(_prepare(complete))

        def greet(urls: list[str]) -> None:
            announce("serving", greeting(complete, urls, password), complete.log_format)

        return serve_until_stopped(complete, greet, sockets=listeners)


def _warn(settings: Settings) -> None:
    for remark in settings.remarks:
        log.warning("setting_ignored", why=remark)
    if exposed := what_mail_exposes(settings):
        log.warning("mail_exposed", why=exposed)


async def _prepare(settings: Settings) -> str | None:
    """Prepare the database for this release; return the first administrator's new password.

    None if there is an administrator already, or if the settings contain the password.
    """
    await boot.see_that_sessions_are_kept(settings)
    await boot.see_that_both_urls_agree(settings)
    if not await boot.schema_is_current(settings):
        if not settings.migrate_on_start:
            raise Refused(NOT_MIGRATED)
        log.info("migrating", to=HEAD)
        await asyncio.to_thread(boot.migrate, settings)
        log.info("migrated", to=HEAD)
    admin = await boot.prepare(settings)
    if not admin:
        return None
    # At once, not only with the greeting: the password is shown even if a later step fails.
    email, made = admin
    told = f"password {made} (shown this once)" if made else "with KEYFOB_ADMIN_PASSWORD"
    says = f"\nFirst administrator: {email}, {told}"
    announce("first_administrator", says, settings.log_format)
    return made


def greeting(settings: Settings, urls: Sequence[str], password: str | None = None) -> str:
    """Return what to show when the service can be reached by these URLs.

    `password`: the first administrator's, if it was made at this start.
    """
    url = next((url for url in urls if url.startswith("http")), None)
    if url is None:
        return f"\nKeyfob serves on {urls[0]}, below {settings.root_path}/\n"
    base = _HERE.sub("//localhost:", url) + settings.root_path
    lines = ["", f"Keyfob serves on {base}/"]
    if settings.pages:
        lines.append(f"  open     {base}/ui/sign-in")
    if settings.docs:
        lines.append(f"  try it   {base}/docs")
    if settings.redoc:
        lines.append(f"  read on  {base}/redoc")
    if password:
        lines.append(f"  sign in  as {settings.admin_email} with {password}")
    return "\n".join([*lines, ""])
