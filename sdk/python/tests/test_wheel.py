"""The wheel has what an installation needs, and no more."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_has_every_module_and_names_its_needs(tmp_path: Path) -> None:
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns("tests", "build", "*.egg-info", "__pycache__", ".*")
    shutil.copytree(ROOT, source, ignore=ignored)
    build = "from setuptools import build_meta; print(build_meta.build_wheel('..'))"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

    with zipfile.ZipFile(tmp_path / done.stdout.split()[-1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        told = wheel.read("keyfob_client-0.1.0.dist-info/METADATA").decode()

    package = ROOT / "src"
    modules = {path.relative_to(package).as_posix() for path in package.rglob("*.py")}
    assert names == modules | {"keyfob_client/py.typed"}
    needs = [line for line in told.splitlines() if line.startswith("Requires-Dist")]
    assert [line for line in needs if "extra" not in line] == [
        "Requires-Dist: httpx<1,>=0.27",
        "Requires-Dist: pyjwt[crypto]<3,>=2.10",
    ]
