"""The revisions of this release, without importing Alembic, which would cost a worker 30 MB."""

from pathlib import Path

# Files are named NNNN_what.py, and the number is the revision.
KNOWN = frozenset(path.name[:4] for path in (Path(__file__).parent / "versions").glob("[0-9]*.py"))

HEAD = max(KNOWN)
