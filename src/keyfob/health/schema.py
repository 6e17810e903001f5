"""The check that this release can run on the database schema."""

from typing import Literal, NamedTuple

from keyfob.core import queries
from keyfob.core.database import Executor
from keyfob.migrations.head import HEAD, KNOWN


class Schema(NamedTuple):
    """A schema's revision, None before the first migration, and its state for this release."""

    revision: str | None
    state: Literal["current", "behind", "newer", "unknown"]

    @property
    def is_well(self) -> bool:
        return self.state in {"current", "newer"}

    @property
    def says(self) -> str:
        """One sentence for the operator."""
        if self.state == "behind":
            return "the database is not migrated; run `keyfob migrate`"
        if self.state == "unknown":
            return (
                f"the schema is at {self.revision}, which does not keep this release (at {HEAD}) "
                "running: start the release that it is of, or take its migrations back with that "
                "release's files"
            )
        return f"the schema is at {self.revision}"


async def judge_schema(db: Executor) -> Schema:
    """Read the schema's revision, and judge it for this release.

    A newer schema is fine if it says itself that it supports this release.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    revision = await queries.find_schema_version(db)
    if revision == HEAD:
        return Schema(revision, "current")
    if revision is None or revision in KNOWN:
        return Schema(revision, "behind")
    kept = await queries.find_oldest_kept(db, revision)
    return Schema(revision, "newer" if kept is not None and kept <= HEAD else "unknown")
