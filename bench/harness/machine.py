"""The machine of a run, without which a figure says nothing."""

import datetime as dt
import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from keyfob.devdb.programs import Account, Programs

_PACKAGES = (
    "asyncpg",
    "bcrypt",
    "cryptography",
    "fastapi",
    "httptools",
    "orjson",
    "pydantic",
    "PyJWT",
    "starlette",
    "uvicorn",
    "uvloop",
)


def describe() -> dict[str, Any]:
    """Describe the machine, the versions and the commit."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _first("/proc/cpuinfo", "model name") or platform.machine(),
        "memory_gb": round(int((_first("/proc/meminfo", "MemTotal") or "0").split()[0]) / 1e6, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postgresql": _postgresql(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "commit": _commit(),
    }


def summary() -> str:
    """The same in one line."""
    seen = describe()
    return (
        f"{seen['cores']} cores ({seen['cpu']}), {seen['memory_gb']} GB, Linux {seen['kernel']}, "
        f"Python {seen['python']}, PostgreSQL {seen['postgresql']}, commit {seen['commit']}"
    )


def load() -> float:
    """The load average of the last minute: what was running before."""
    return os.getloadavg()[0]


def now() -> str:
    """The date and time in UTC, to the minute."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _first(path: str, key: str) -> str | None:
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _postgresql() -> str:
    programs = Programs.for_account(Account.for_cluster(Path.cwd()))
    said = subprocess.run(
        [programs.folder / "postgres", "--version"], check=True, capture_output=True, text=True
    )
    return said.stdout.split()[-1]


def _commit() -> str:
    """The commit, marked where the files differ from it; empty outside of a checkout."""
    if not shutil.which("git"):
        return ""

    def git(*arguments: str) -> str:
        said = subprocess.run(["git", *arguments], check=False, capture_output=True, text=True)
        return said.stdout.strip()

    commit = git("rev-parse", "--short=7", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "requirements")
    return f"{commit} with changes" if changed else commit
