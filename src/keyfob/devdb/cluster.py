"""The files of the embedded database, created once and completely."""

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import IO

from keyfob.core.stopping import pause
from keyfob.devdb.errors import DevDbError
from keyfob.devdb.programs import Programs

# Keyfob's role is not a superuser here either, as it should not be in production. Statements that
# fail are logged without their values, which contain e-mail addresses.
_FIRST_STATEMENTS = b"""\
CREATE ROLE keyfob LOGIN CREATEDB;
ALTER ROLE keyfob SET log_error_verbosity = terse;
ALTER ROLE keyfob SET log_min_error_statement = panic;
CREATE DATABASE keyfob OWNER keyfob;
"""
_SECONDS = 120
_POLL_SECONDS = 0.02


def make_cluster(cluster: Path, programs: Programs, log: IO[bytes], *, durable: bool) -> None:
    """Create a cluster with the role and the database `keyfob`, if there is none.

    It is created under another name and then renamed, so that an interrupted start leaves no half
    of a cluster. With `durable`, this waits until everything is on the disk.

    Raises:
        DevDbError: it could not be created; the log says why.
    """
    if cluster.exists():
        return
    unfinished = cluster.with_name(f"{cluster.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if programs.account.borrowed:
        os.chown(unfinished, programs.account.uid, programs.account.gid)
    _run(
        programs,
        [
            "initdb",
            "--username=postgres",
            "--auth=trust",  # the socket is in the cluster's folder, which only its owner can enter
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
            *([] if durable else ["--no-sync"]),
        ],
        unfinished,
        log,
    )
    fsync = f"fsync={'on' if durable else 'off'}"
    _run(programs, ["postgres", "--single", "-c", fsync, "postgres"], unfinished, log)
    unfinished.rename(cluster)


def _run(programs: Programs, command: list[str], cluster: Path, log: IO[bytes]) -> None:
    name, *arguments = command
    with tempfile.TemporaryFile() as statements:
        statements.write(_FIRST_STATEMENTS)
        statements.seek(0)
        child = programs.start(name, *arguments, cluster=cluster, output=log, stdin=statements)
    deadline = time.monotonic() + _SECONDS
    try:
        while child.poll() is None:
            if time.monotonic() > deadline:
                raise DevDbError(f"{name} did not end in {_SECONDS} s")
            pause(_POLL_SECONDS)
    finally:
        child.kill()
        child.wait()
    if child.returncode != 0:
        raise DevDbError(f"{name} failed")
