"""An installation does not depend on the day: newer releases of pinned packages change nothing.

The pip is the one that the running Python brings along: on the oldest Python that Keyfob supports,
the oldest pip.
"""

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest

pytestmark = pytest.mark.slow

INSTALL = Path("scripts/install").resolve()


def write_wheel(index: Path, name: str, version: str, metadata: str = "") -> str:
    """Put a package that holds nothing into a local index; return its digest."""
    wheel = index / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    with ZipFile(wheel, "w") as archive:
        archive.writestr(
            f"{about}/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}",
        )
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def pin(requirements: Path, digests: Mapping[str, str]) -> None:
    lines = [f"{name}==1.0 --hash=sha256:{digest}\n" for name, digest in digests.items()]
    requirements.write_text("".join(lines), encoding="utf-8")


def install(checkout: Path, index: Path) -> subprocess.CompletedProcess[str]:
    """Run `scripts/install` as on a fresh machine whose only packages are those of the index."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(checkout),
        "PYTHON": sys.executable,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(index),
    }
    return subprocess.run(
        ["sh", str(INSTALL), "requirements.txt"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def installed(checkout: Path) -> set[str]:
    folders = checkout.glob(".venv/lib/python3.*/site-packages/*.dist-info")
    return {folder.name.removesuffix(".dist-info") for folder in folders} & {
        "holder-1.0",
        "held-1.0",
        "held-2.0",
    }


def test_a_newer_release_of_a_pinned_package_with_an_extra_changes_nothing(tmp_path: Path) -> None:
    index = tmp_path / "index"
    index.mkdir()
    extra = "Provides-Extra: more\n"
    pin(
        tmp_path / "requirements.txt",
        {
            "holder": write_wheel(index, "holder", "1.0", "Requires-Dist: held[more]>=1.0\n"),
            "held": write_wheel(index, "held", "1.0", extra),
        },
    )
    write_wheel(index, "held", "2.0", extra)  # published after the pins were written

    done = install(tmp_path, index)

    assert done.returncode == 0, done.stderr
    assert installed(tmp_path) == {"holder-1.0", "held-1.0"}


def test_a_package_with_another_digest_is_refused(tmp_path: Path) -> None:
    index = tmp_path / "index"
    index.mkdir()
    write_wheel(index, "holder", "1.0")
    pin(tmp_path / "requirements.txt", {"holder": "0" * 64})

    done = install(tmp_path, index)

    assert done.returncode != 0
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr
    assert installed(tmp_path) == set()


def test_the_pins_are_complete() -> None:
    """Nothing is resolved at installation, so packages without a pin would be missing."""
    done = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "check", "--python", sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def say(place: Path, name: str) -> None:
    """Write a module that says its name and its arguments when it is run."""
    module = place / name.replace(".", "/") / "__main__.py"
    module.parent.mkdir(parents=True)
    module.write_text(f"import sys\nprint({name!r}, *sys.argv[1:])\n", encoding="utf-8")


def test_programs_may_be_moved_and_linked_to_and_a_named_python_takes_the_place_of_another(
    tmp_path: Path,
) -> None:
    checkout, index = tmp_path / "checkout", tmp_path / "index"
    index.mkdir()
    say(checkout / "src", "keyfob.cli")
    say(checkout / "src", "alembic")
    pin(checkout / "requirements.txt", {"holder": write_wheel(index, "holder", "1.0")})
    other = checkout / ".venv/bin/python"
    other.parent.mkdir(parents=True)
    other.write_text("#!/bin/sh\necho another Python\n", encoding="utf-8")
    other.chmod(0o755)

    assert install(checkout, index).returncode == 0

    moved = checkout.rename(tmp_path / "moved")
    link = tmp_path / "keyfob"
    link.symlink_to(moved / ".venv/bin/keyfob")
    say(tmp_path, "alembic")  # what lies in the working directory is not what is run
    for program, said in ((link, "keyfob.cli"), (moved / ".venv/bin/alembic", "alembic")):
        done = subprocess.run(
            [program, "up grade"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == (f"{said} up grade\n", "")
