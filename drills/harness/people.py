"""Clients: users who sign up, in and out, and administrators; each does one step at a time.

Each owns its accounts, so that nobody else's steps can excuse an answer.
"""

import base64
import json
import random
import time
from typing import Any

from bench.harness.servers import ADMIN

from drills.harness.ledger import Account, Ledger, Session
from drills.harness.wire import Answer, Wire

# Seconds before the end of an access token at which it is not used any more.
_MARGIN = 30.0

_MOST_SESSIONS = 3


class Visitor:
    """The actions that every user can do with an account."""

    def __init__(self, ledger: Ledger, wire: Wire, seed: int) -> None:
        self.ledger = ledger
        self.wire = wire
        self.chance = random.Random(seed)

    async def step(self) -> bool:
        """Do one thing; False when it did not succeed, and a pause is due."""
        raise NotImplementedError

    async def register(self, account: Account) -> bool:
        """Sign up; where an earlier attempt had no answer, the account may be there already."""
        again = account.sign_ins_asked > 0
        account.sign_ins_asked += 1
        body = {"email": account.email, "password": account.password}
        answer = await self.ledger.ask(
            self.wire, "register", ("POST", "/register"), body=body, expected=(409,) * again
        )
        if answer is not None and answer.status == 409:
            return await self.log_in(account)
        return answer is not None and answer.status == 201 and bool(_keep(account, answer))

    async def log_in(self, account: Account) -> bool:
        """Open one more session."""
        account.sign_ins_asked += 1
        body = {"email": account.email, "password": account.password}
        answer = await self.ledger.ask(self.wire, "login", ("POST", "/login"), body=body)
        return answer is not None and answer.status == 200 and bool(_keep(account, answer))

    async def refresh(self, session: Session) -> bool:
        """Refresh; a token whose answer was lost is presented again, as a client would."""
        body = {"token": session.refresh_token}
        answer = await self.ledger.ask(self.wire, "refresh", ("POST", "/refresh"), body=body)
        if answer is None or answer.status != 200:
            return False
        claims = _take(session, answer)
        if claims["role"] not in session.account.roles or claims["sid"] != session.id:
            self.ledger.asks[-1].complaint = f"tokens of {claims['role']} {claims['sid']}"
        return True

    async def ask_me(self, session: Session) -> bool:
        """Ask who one is, and look whether it is true."""
        answer = await self.ledger.ask(self.wire, "me", ("GET", "/me"), token=session.access_token)
        if answer is None or answer.status != 200:
            return False
        if answer.json()["email"] != session.account.email:
            self.ledger.asks[-1].complaint = "the profile of somebody else"
        return True

    async def log_out(self, session: Session) -> bool:
        """End a session; without an answer it may live or not, and is not used any more."""
        session.ending = True
        answer = await self.ledger.ask(
            self.wire, "logout", ("DELETE", "/logout"), token=session.access_token
        )
        session.ended = answer is not None and answer.status == 204
        return session.ended


class Person(Visitor):
    """Signs up, refreshes, looks, signs in elsewhere and out; now and then, somebody new."""

    account: Account | None = None

    async def step(self) -> bool:
        if self.account is None or (self.account.id and self.chance.random() < 0.02):
            self.account = Account()
            self.ledger.accounts.append(self.account)
        if not self.account.id:
            return await self.register(self.account)
        if not self.account.live:
            return await self.log_in(self.account)
        session = self.chance.choice(self.account.live)
        if session.stale_at < time.monotonic():
            return await self.refresh(session)
        return await self._choose(self.account, session)

    async def _choose(self, account: Account, session: Session) -> bool:
        dice = self.chance.random()
        if dice < 0.45:
            return await self.refresh(session)
        if dice < 0.75:
            return await self.ask_me(session)
        if dice < 0.9 and len(account.live) < _MOST_SESSIONS:
            return await self.log_in(account)
        return await self.log_out(session)


class Administrator(Visitor):
    """Makes accounts, signs in as them, changes their roles, blocks and removes them."""

    def __init__(self, ledger: Ledger, wire: Wire, seed: int, me: Account) -> None:
        super().__init__(ledger, wire, seed)
        self._me = me
        self._session: Session | None = None
        self._ward: Account | None = None

    async def step(self) -> bool:
        session = self._session
        # Not refreshed: to make somebody more than a user asks for a sign-in of five minutes.
        if session is None or session.ending or session.stale_at < time.monotonic():
            done = await self.log_in(self._me)
            self._session = self._me.sessions[-1] if done else None
            return done
        if self._ward is None or self._ward.deleting or "blocked" in self._ward.statuses:
            self._ward = Account(by_admin=True)
            self.ledger.accounts.append(self._ward)
        return await self._tend(self._ward, session)

    async def _tend(self, ward: Account, mine: Session) -> bool:
        if not ward.id:
            return await self._create(ward, mine)
        if not ward.live:
            return await self.log_in(ward)
        dice = self.chance.random()
        if dice < 0.5:
            other = "moderator" if ward.roles[-1] == "user" else "user"
            return await self._change(ward, mine, "role", other)
        if dice < 0.8:
            return await self.refresh(ward.live[-1])
        if dice < 0.9:
            return await self._change(ward, mine, "status", "blocked")
        return await self._delete(ward, mine)

    async def _create(self, ward: Account, mine: Session) -> bool:
        again = ward.changes_asked > 0
        ward.changes_asked += 1
        answer = await self.ledger.ask(
            self.wire,
            "create",
            ("POST", "/admin/users"),
            token=mine.access_token,
            body={"email": ward.email, "password": ward.password},
            expected=(409,) * again,
        )
        if answer is not None and answer.status == 409:  # made by an attempt without an answer
            return await self.log_in(ward)
        if answer is not None and answer.status == 201:
            ward.id = answer.json()["id"]
        return bool(ward.id)

    async def _change(self, ward: Account, mine: Session, what: str, value: str) -> bool:
        open_values = ward.roles if what == "role" else ward.statuses
        open_values.append(value)
        ward.changes_asked += 1
        blocks = value == "blocked"
        for session in ward.live if blocks else ():
            session.ending = True
        answer = await self.ledger.ask(
            self.wire,
            what,
            ("PATCH", f"/admin/users/{ward.id}"),
            token=mine.access_token,
            body={what: value},
        )
        if answer is None or answer.status != 200:
            return False
        # After an attempt without an answer it may have been so before: then nothing was changed.
        ward.changes_made += len(open_values) == 2
        open_values[:] = [value]
        for session in ward.sessions if blocks else ():
            session.ended = True
        return True

    async def _delete(self, ward: Account, mine: Session) -> bool:
        ward.deleting = True
        for session in ward.sessions:
            session.ending = True
        answer = await self.ledger.ask(
            self.wire, "delete", ("DELETE", f"/admin/users/{ward.id}"), token=mine.access_token
        )
        ward.deleted = answer is not None and answer.status == 204
        for session in ward.sessions if ward.deleted else ():
            session.ended = True
        return ward.deleted


def first_administrator() -> Account:
    """The account that the first start of a bench or drill server makes."""
    email, password = ADMIN
    return Account(email=email, password=password, roles=["admin"])


def _keep(account: Account, answer: Answer) -> Session:
    session = Session(answer.json()["session_id"], account, "", "", 0, 0.0)
    claims = _take(session, answer)
    account.id = claims["sub"]
    account.sessions.append(session)
    return session


def _take(session: Session, answer: Answer) -> dict[str, Any]:
    tokens = answer.json()
    payload = tokens["access_token"].split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    session.access_token = tokens["access_token"]
    session.refresh_token = tokens["refresh_token"]
    session.generation = claims["gen"]
    session.stale_at = time.monotonic() + tokens["expires_in"] - _MARGIN
    return claims
