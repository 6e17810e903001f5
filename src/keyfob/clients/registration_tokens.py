"""Initial access tokens (RFC 7591 section 1.2): so many programs may register, until a moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from keyfob.clients import self_registration_queries as queries
from keyfob.clients.self_registration_queries import RegistrationToken
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.machine_secrets import MachineSecrets
from keyfob.core.secrets import new_id


class NewToken(NamedTuple):
    """A token, and its text, which is shown once."""

    token: RegistrationToken
    text: str


@dataclass(frozen=True, kw_only=True)
class RegistrationTokens:
    """Makes, counts and ends the tokens by which programs register themselves."""

    db: Database
    clock: Clock
    secrets: MachineSecrets

    async def make(self, db: Executor, *, uses: int, lives: timedelta) -> NewToken:
        """Return a new token for so many registrations."""
        now, made = self.clock.now(), self.secrets.make()
        token = RegistrationToken(new_id(now), now, now + lives, uses)
        await queries.insert_token(db, token, made.digest)
        return NewToken(token, made.text)

    async def spend(self, tx: Tx, text: str, now: datetime) -> bool:
        """Count a registration; False if the token is unknown, used up or expired."""
        return await queries.spend_token(tx, self.secrets.digests(text), now)

    async def list_all(self) -> Sequence[RegistrationToken]:
        """Return the tokens that still count, oldest first."""
        return await queries.list_tokens(self.db, self.clock.now())

    async def remove(self, db: Executor, token_id: UUID) -> bool:
        """End a token; False if there is none."""
        return await queries.delete_token(db, token_id)

    async def clean_up(self) -> None:
        """Delete what has expired or is used up."""
        await queries.delete_spent_tokens(self.db, self.clock.now())
