"""Sign-outs that apps ask for (OpenID Connect RP-Initiated Logout 1.0).

A sign-out is carried out at once if the app shows an ID token that it got in this very session of
the browser. Anybody else may send somebody here, so otherwise the user is asked. The browser goes
back to an app only to a place that the app has registered.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple, Self
from uuid import UUID

import structlog

from keyfob.authority.models import User
from keyfob.clients.models import RegisteredClient
from keyfob.clients.service import Clients
from keyfob.core.batches import in_batches
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.forms import Form
from keyfob.core.secrets import random_text
from keyfob.core.text import size_of
from keyfob.oauth import logout_queries as queries
from keyfob.oauth.app_tokens import sid_of
from keyfob.oauth.authentication import read_client_id
from keyfob.oauth.authorization import with_parameters
from keyfob.tokens.errors import TokenRejected
from keyfob.tokens.id_tokens import IdTokenHint, IdTokens

log = structlog.get_logger("keyfob.oauth")

_REQUEST_LIVES = timedelta(hours=1)
_LONGEST_STATE = 2048  # bytes


class LogoutAsked(NamedTuple):
    """A checked request of an app, or of nobody that is known.

    `name` is the app's. `place` is where the browser goes afterwards, with the app's `state`.
    `user_id` and `sid` are those of a valid ID token. If `is_wrong`, something did not fit: nothing
    is done unasked then, and the browser does not go back to the app.
    """

    client_id: UUID | None = None
    name: str = ""
    place: str | None = None
    state: str | None = None
    user_id: UUID | None = None
    sid: str | None = None
    is_wrong: bool = False

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `_asdict` has written, as JSON gives it back."""
        ids = {name: UUID(stored[name]) for name in ("client_id", "user_id") if stored[name]}
        return cls(**{**stored, **ids})

    @property
    def onward(self) -> str | None:
        """The address to go on to; None if the app has named no place."""
        if self.place is None or self.state is None:
            return self.place
        return with_parameters(self.place, {"state": self.state})

    @property
    def is_proven(self) -> bool:
        """Tell whether the app has shown that it signed somebody in here."""
        return self.user_id is not None

    def names(self, user: User) -> bool:
        """Tell whether the ID token is of this session of a browser."""
        if self.client_id is None or self.user_id != user.user_id:
            return False
        return self.sid == sid_of(user.session_id, self.client_id)


@dataclass(frozen=True, kw_only=True)
class Logout:
    """Checks what apps ask for, and keeps it until the user has answered."""

    db: Database
    clock: Clock
    clients: Clients
    id_tokens: IdTokens

    async def read(self, form: Form) -> LogoutAsked:
        """Return what a request asks for; `logout_hint` says nothing that is needed."""
        text, named = form.get("id_token_hint"), form.get("client_id")
        hint = self._read_hint(text, named) if text is not None else None
        client = await self._find(named or (hint.client_id if hint else None))
        faults = {
            "hint": text is not None and hint is None,
            "client": client is None and (text is not None or named is not None),
            "place": not _may_return(client, form.get("post_logout_redirect_uri")),
            "state": size_of(form.get("state")) > _LONGEST_STATE,
        }
        if any(faults.values()):
            causes = [cause for cause, is_so in faults.items() if is_so]
            log.info("logout_request_wrong", client_id=client and str(client.id), causes=causes)
            return LogoutAsked(is_wrong=True)
        return LogoutAsked(
            client_id=client.id if client else None,
            name=client.name if client else "",
            place=form.get("post_logout_redirect_uri"),
            state=form.get("state"),
            user_id=hint.subject if hint else None,
            sid=hint.sid if hint else None,
        )

    def _read_hint(self, text: str, client_id: str | None) -> IdTokenHint | None:
        try:
            return self.id_tokens.read_hint(text, client_id)
        except TokenRejected:
            return None

    async def _find(self, client_id: str | None) -> RegisteredClient | None:
        read = read_client_id(client_id)
        known = await self.clients.find(read) if read else None
        return known.client if known else None

    async def store(self, asked: LogoutAsked) -> str:
        """Store a request until its user has answered; return its handle, empty if it says nothing.

        So it cannot be changed meanwhile, and no ID token is in an address.
        """
        if asked == LogoutAsked():
            return ""
        handle = random_text(32)
        expires_at = self.clock.now() + _REQUEST_LIVES
        await queries.insert_request(self.db, _digest(handle), asked._asdict(), expires_at)
        return handle

    async def find(self, handle: str) -> LogoutAsked:
        """Return a stored request; one that is unknown or has expired is a request of nobody.

        It is wrong by now if its app has lost the place meanwhile, or is disabled.
        """
        found = None
        if handle:
            found = await queries.find_request(self.db, _digest(handle), self.clock.now())
        if found is None:
            return LogoutAsked()
        asked = LogoutAsked.of(found)
        client = await self.clients.find(asked.client_id) if asked.client_id else None
        if asked.client_id and client is None:
            return LogoutAsked(is_wrong=True)
        may_return = _may_return(client.client if client else None, asked.place)
        return asked if may_return else LogoutAsked(is_wrong=True)

    async def drop(self, handle: str) -> None:
        """Forget a request that was answered."""
        await queries.delete_request(self.db, _digest(handle))

    async def clean_up(self) -> None:
        """Delete requests that have expired."""
        await in_batches(partial(queries.delete_old_requests, self.db, self.clock.now()))


def _may_return(client: RegisteredClient | None, place: str | None) -> bool:
    """Tell whether a request names no place to return to, or one of its app, by each character."""
    return place is None or (client is not None and place in client.post_logout_redirect_uris)


def _digest(handle: str) -> bytes:
    return hashlib.sha256(handle.encode(errors="replace")).digest()
