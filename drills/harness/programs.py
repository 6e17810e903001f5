"""Programs in the crowd, which get, introspect, exchange and revoke tokens.

Whoever operates one registers it, too, and makes its secrets and API keys, so that nobody else's
steps can excuse an answer.
"""

import time
import uuid

from drills.harness.ledger import Account, Credential, Ledger, Program, Session
from drills.harness.people import Visitor
from drills.harness.wire import Answer, Wire

RESOURCE = "https://orders.drills.example"
_SCOPE = "orders:read"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_OF_KEYS = "urn:keyfob:token-type:api-key"

_FOR_ITSELF = {"grant_type": "client_credentials"}
_PLACES = {"exchange": "token"}  # what is not asked for at a place of its name

# Seconds before the end of an access token at which nothing is promised of it any more.
_MARGIN = 30.0
_MOST_TOKENS = 4
_ENOUGH_STEPS = 100

# A secret that was added at one worker may be unknown to another for a second; and a little more.
_YOUNG_SECONDS = 3.0


class Operator(Visitor):
    """An administrator with a program, whose steps are those of both."""

    def __init__(self, ledger: Ledger, wire: Wire, seed: int, me: Account) -> None:
        super().__init__(ledger, wire, seed)
        self._me = me
        self._session: Session | None = None
        self._program: Program | None = None
        self._knows_resource = False

    async def prepared(self) -> Program:
        """Take steps until there is a program with one secret and a token; return it."""
        for _ in range(_ENOUGH_STEPS):
            program = self._program
            if program and len(program.secrets) == 1 and program.live_tokens:
                return program
            await self.step()
        raise RuntimeError("nobody can register a program")

    async def rotate_secret(self) -> Credential:
        """Exchange the secret of the program for another; return the one that was removed."""
        former = (await self.prepared()).secrets[0]
        for _ in range(_ENOUGH_STEPS):
            assert self._program is not None
            if former.ended:
                return former
            if self._session and len(self._program.secrets) == 1:
                await self._add_secret(self._program, self._session)
            else:
                await self.step()
        raise RuntimeError("nobody can rotate a secret")

    async def step(self) -> bool:
        mine = self._session
        # Not refreshed: secrets and keys ask for a sign-in of the last five minutes.
        if mine is None or mine.ending or mine.stale_at < time.monotonic():
            done = await self.log_in(self._me)
            self._session = self._me.sessions[-1] if done else None
            return done
        if not self._knows_resource:
            return await self._add_resource(mine)
        if self._program is None or self._program.in_doubt:
            return await self._register(mine)
        if not self._program.secrets:
            return await self._add_secret(self._program, mine)
        if len(self._program.secrets) > 1:
            return await self._rotate(self._program, mine)
        return await self._choose(self._program, mine)

    async def _choose(self, program: Program, mine: Session) -> bool:
        dice, tokens = self.chance.random(), program.live_tokens
        if not tokens or (dice < 0.3 and len(tokens) < _MOST_TOKENS):
            return await self._get_token(program)
        if dice < 0.65:
            return await self._introspect(program, self.chance.choice(tokens))
        if dice < 0.75:
            return await self.revoke(program, self.chance.choice(tokens))
        if dice < 0.85:
            return await self._exchange(program, mine)
        if dice < 0.93:
            return await self._end_key(program, mine)
        return await self._add_secret(program, mine)

    async def _add_resource(self, mine: Session) -> bool:
        """Register the API, which every program has in common."""
        body = {"identifier": RESOURCE, "name": "Orders", "scopes": {_SCOPE: {}}}
        answer = await self._administer("resource", "/admin/resources", mine, body, (409,))
        self._knows_resource = answer is not None and answer.status in {201, 409}
        return self._knows_resource

    async def _register(self, mine: Session) -> bool:
        """Register a program; if an attempt had no answer, another one."""
        body = {
            "name": f"Program {uuid.uuid4().hex[:8]}",
            "grants": ["client_credentials", _EXCHANGE],
            "scope": [_SCOPE],
            "resources": [RESOURCE],
        }
        answer = await self._administer("client", "/admin/clients", mine, body)
        if answer is None or answer.status != 201:
            return False
        self._program = Program(answer.json()["id"])
        self.ledger.programs.append(self._program)
        return True

    async def _add_secret(self, program: Program, mine: Session) -> bool:
        """Make a secret; without an answer there may be one that nobody knows."""
        path = f"/admin/clients/{program.id}/secrets"
        program.in_doubt = True
        answer = await self._administer("secret", path, mine, {})
        if answer is None or answer.status != 201:
            return False
        program.in_doubt = False
        made = answer.json()
        program.secrets.append(Credential(made["client_secret"], made["id"]))
        return True

    async def _rotate(self, program: Program, mine: Session) -> bool:
        """Use the new secret, and then remove the old one, which ends all tokens."""
        old, new = program.secrets
        young = time.monotonic() < new.made_at + _YOUNG_SECONDS
        answer = await self._ask(program, "token", new, _FOR_ITSELF, (401,) if young else ())
        if answer is None or answer.status != 200:
            return False
        program.in_doubt = True
        for token in program.tokens:
            token.ending = True
        old.ending = True
        removed = await self.ledger.ask(
            self.wire,
            "remove secret",
            ("DELETE", f"/admin/clients/{program.id}/secrets/{old.id}"),
            token=mine.access_token,
        )
        if removed is None or removed.status != 204:
            return False
        program.in_doubt = False
        for ended in (old, *program.tokens):
            ended.ended = True
        program.former_secrets.append(old)
        program.secrets.remove(old)
        return True

    async def _get_token(self, program: Program) -> bool:
        answer = await self._ask(program, "token", program.secrets[-1], _FOR_ITSELF)
        return _keep(program, answer)

    async def _introspect(self, program: Program, token: Credential) -> bool:
        """Introspect a live token; it must not be dead."""
        form = {"token": token.text}
        answer = await self._ask(program, "introspect", program.secrets[-1], form)
        if answer is None or answer.status != 200:
            return False
        if not answer.json()["active"] and token.stale_at > time.monotonic():
            self.ledger.asks[-1].complaint = "a live token is not active"
        return True

    async def revoke(self, program: Program, token: Credential) -> bool:
        """Revoke a token or a key; without an answer it may live or not, and is not used again."""
        ending = [token, *(one for one in program.tokens if one.rests_on is token)]
        for one in ending:
            one.ending = True
        answer = await self._ask(program, "revoke", program.secrets[-1], {"token": token.text})
        for one in ending:
            one.ended = answer is not None and answer.status == 200
        return token.ended

    async def _exchange(self, program: Program, mine: Session) -> bool:
        """Exchange an API key for a token, and make the key first if there is none."""
        live = [key for key in program.keys if not key.ending]
        if not live:
            return await self._make_key(program, mine)
        form = {
            "grant_type": _EXCHANGE,
            "subject_token": live[-1].text,
            "subject_token_type": _OF_KEYS,
            "resource": RESOURCE,
        }
        answer = await self._ask(program, "exchange", program.secrets[-1], form)
        return _keep(program, answer, live[-1])

    async def _make_key(self, program: Program, mine: Session) -> bool:
        body = {"name": "Drill", "scope": [_SCOPE]}
        answer = await self._administer("key", "/me/api-keys", mine, body)
        if answer is None or answer.status != 201:
            return False
        program.keys.append(Credential(answer.json()["api_key"], answer.json()["id"]))
        return True

    async def _end_key(self, program: Program, mine: Session) -> bool:
        """Revoke a key, with the tokens that it was exchanged for, as its owner or the program."""
        live = [key for key in program.keys if not key.ending]
        if not live:
            return await self._make_key(program, mine)
        key = live[-1]
        if self.chance.random() < 0.5:
            return await self.revoke(program, key)
        ending = [key, *(token for token in program.tokens if token.rests_on is key)]
        for one in ending:
            one.ending = True
        answer = await self.ledger.ask(
            self.wire, "end key", ("DELETE", f"/me/api-keys/{key.id}"), token=mine.access_token
        )
        for one in ending:
            one.ended = answer is not None and answer.status == 204
        return key.ended

    async def _administer(
        self,
        kind: str,
        path: str,
        mine: Session,
        body: object,
        expected: tuple[int, ...] = (),
    ) -> Answer | None:
        return await self.ledger.ask(
            self.wire,
            kind,
            ("POST", path),
            token=mine.access_token,
            body=body,
            expected=expected,
        )

    async def _ask(
        self,
        program: Program,
        kind: str,
        secret: Credential,
        form: dict[str, str],
        expected: tuple[int, ...] = (),
    ) -> Answer | None:
        return await self.ledger.ask(
            self.wire,
            kind,
            ("POST", f"/oauth2/{_PLACES.get(kind, kind)}"),
            client=(program.id, secret.text),
            form=form,
            expected=expected,
        )


def _keep(program: Program, answer: Answer | None, rests_on: Credential | None = None) -> bool:
    """Take over a token that was given; forget those that have expired."""
    if answer is None or answer.status != 200:
        return False
    now, given = time.monotonic(), answer.json()
    program.tokens = [token for token in program.tokens if token.stale_at > now]
    stale_at = now + given["expires_in"] - _MARGIN
    program.tokens.append(Credential(given["access_token"], stale_at=stale_at, rests_on=rests_on))
    return True
