"""Fail if a tracked file contains something that looks like a secret.

`.secrets.toml` lists false positives, with the reasons. Nothing is sent anywhere: only the patterns
of detect-secrets are used, not the checks that ask a provider whether a key works.
"""

import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class as _detectors
from detect_secrets.core.potential_secret import PotentialSecret
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

KNOWN = Path(".secrets.toml")
_PARTS = 16  # each of other files, so that no core is idle for long

# They plant passwords by the dozen (ruff's S is off there, too). Keys and tokens are searched for.
PLANTS_PASSWORDS = ("tests/", "bench/", "sdk/python/tests/")
# Digests of packages, written by `make lock`; digests of this check; a lock of Node's packages.
HOLDS_DIGESTS = ("requirements/", str(KNOWN), "package-lock.json", "sdk/python/requirements.txt")

_FILTERS = (
    "allowlist.is_line_allowlisted",
    "heuristic.is_indirect_reference",
    "heuristic.is_likely_id_string",
    "heuristic.is_not_alphanumeric_string",
    "heuristic.is_potential_uuid",
    "heuristic.is_prefixed_with_dollar_sign",
    "heuristic.is_sequential_string",
    "heuristic.is_templated_secret",
)


def main() -> int:
    """Print the findings; return 1 if there are any."""
    files = _tracked()
    with ProcessPoolExecutor() as pool:  # one core would take half a minute
        parts = pool.map(scan_part, [files[part::_PARTS] for part in range(_PARTS)])
        found = {(secret.filename, secret.secret_hash): secret for part in parts for secret in part}
    known = read_known(KNOWN.read_text(encoding="utf-8"))
    for place in found.keys() - known:
        secret = found[place]
        print(f"{secret.filename}:{secret.line_number}: {secret.type} {secret.secret_hash}")
    for file, digest in known - found.keys():
        print(f"{KNOWN}: {digest} is no longer in {file}")
    if found.keys() == known:
        return 0
    print(f"Take a secret out, and count it as known to others. What is none goes into {KNOWN}.")
    return 1


def scan_part(files: list[str]) -> list[PotentialSecret]:
    """Return what looks like a secret, with passwords only where none are planted."""
    planted = [file for file in files if file.startswith(PLANTS_PASSWORDS)]
    others = [file for file in files if not file.startswith(PLANTS_PASSWORDS)]
    return [*scan(others), *scan(planted, without="KeywordDetector")]


def scan(files: Iterable[str], without: str | None = None) -> Iterator[PotentialSecret]:
    """Yield texts that look like secrets, by all detectors of the library but one."""
    kinds: Iterable[Any] = _detectors().values()  # the library's types differ with its extras
    detectors = {kind.__name__ for kind in kinds}
    with transient_settings(
        {
            "plugins_used": [{"name": name} for name in sorted(detectors - {without})],
            "filters_used": [{"path": f"detect_secrets.filters.{name}"} for name in _FILTERS],
        }
    ):
        for file in files:
            yield from scan_file(file)


def read_known(text: str) -> set[tuple[str, str]]:
    """Return file and digest of each entry.

    Raises:
        ValueError: an entry has no reason.
    """
    entries = tomllib.loads(text)["known"]
    if any(not entry["reason"].strip() for entry in entries):
        raise ValueError(f"{KNOWN}: each entry needs its reason")
    return {(entry["file"], digest) for entry in entries for digest in entry["digests"]}


def _tracked() -> list[str]:
    try:
        ask = ["git", "ls-files", "-z"]
        files = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive, or no git
        files = [path.as_posix() for path in Path().rglob("*") if not _is_made_here(path)]
    return [file for file in files if Path(file).is_file() and not _holds_digests(file)]


def _is_made_here(path: Path) -> bool:
    in_hidden_folder = any(part.startswith(".") for part in path.parts[:-1])
    return in_hidden_folder or "__pycache__" in path.parts or path.name in {".env", "sbom.json"}


def _holds_digests(file: str) -> bool:
    return file.startswith(HOLDS_DIGESTS) or file.endswith(HOLDS_DIGESTS)


if __name__ == "__main__":
    sys.exit(main())
