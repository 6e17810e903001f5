"""A volume of its own, small enough to be filled: a tmpfs, which only root may mount."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class CannotMount(Exception):
    """There can be no small volume here; the message says why."""


@contextmanager
def small_volume(megabytes: int) -> Iterator[Path]:
    """Mount a volume of that size (in MiB) on a temporary folder; remove both at the end.

    Raises:
        CannotMount: this user, or this system, cannot.
    """
    folder = Path(tempfile.mkdtemp(prefix="kf-"))
    try:
        _mount(folder, megabytes)
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
    finally:
        folder.rmdir()


def _mount(folder: Path, megabytes: int) -> None:
    program = shutil.which("mount")
    if program is None:
        raise CannotMount("there is no mount on this system")
    command = [program, "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotMount(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")


def fill(folder: Path) -> Path:
    """Write a file of ballast until the volume is full; to remove it makes room again."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    return ballast
