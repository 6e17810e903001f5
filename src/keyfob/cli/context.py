"""Access of commands to the services, with the settings and the database of `serve`."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from keyfob import boot
from keyfob.cli.refusal import Refused
from keyfob.core.telemetry import configure_logging
from keyfob.settings import Settings, load_settings
from keyfob.tokens.keyring import Keyring
from keyfob.wiring import Wiring

T = TypeVar("T")

NOT_MIGRATED = "the database is not migrated; run `keyfob migrate`"


@contextmanager
def refusals() -> Iterator[None]:
    """Turn errors that stop a start into one line for the shell."""
    with boot.told_as(Refused):
        yield


def read_settings(**overrides: Any) -> Settings:
    """Read the settings; options of the command line override the environment.

    Raises:
        Refused: a setting is wrong.
    """
    with refusals():
        return load_settings(**overrides)


def run_with_services(
    work: Callable[[Wiring], Coroutine[Any, Any, T]], *, open_keys: bool = True
) -> T:
    """Run work with all services, on the database of the settings.

    Args:
        work: the work to do.
        open_keys: whether the signing keys must be opened first, as for anything that writes.

    Raises:
        Refused: the settings are wrong, or the database is not migrated.
    """
    settings = read_settings()
    configure_logging("warning", settings.log_format)

    async def run(settings: Settings) -> T:
        if not await boot.schema_is_current(settings):
            raise Refused(NOT_MIGRATED)
        async with boot.services_of(settings) as wiring:
            if open_keys:
                await boot.open_keys(wiring.services[Keyring])
            return await work(wiring)

    with refusals(), boot.complete(settings) as complete:
        return asyncio.run(run(complete))
