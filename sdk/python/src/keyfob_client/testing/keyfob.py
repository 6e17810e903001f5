"""The stand-in for Keyfob: it signs tokens, and the verifiers under test believe them."""

import uuid
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keyfob_client.judging import Judge
from keyfob_client.keys import KeySet, read_key_set
from keyfob_client.reading import to_base64url
from keyfob_client.testing.callers import ApiKey, Caller
from keyfob_client.testing.clock import Clock
from keyfob_client.testing.stand_in import Revocations, StandInEngine
from keyfob_client.verifier import Trust

_KID = "key-of-the-tests"
_KEY = Ed25519PrivateKey.generate()
_RANKS = ("admin", "moderator", "user")


def _keys() -> KeySet:
    x = to_base64url(_KEY.public_key().public_bytes_raw())
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": _KID, "use": "sig", "alg": "EdDSA"}
    return read_key_set({"keys": [jwk]})


def _follows(verifier: Trust) -> bool:
    return vars(verifier)["_known"] is not None


def _resource_of(verifier: Trust) -> str | None:
    """Return what API keys are exchanged for, by a verifier that takes them."""
    return verifier.resource if vars(verifier)["_reach"].client is not None else None


class FakeKeyfob:
    """A Keyfob of a test. Its tokens are signed, and judged by all rules of the verifier.

    Attributes:
        clock: the time of the tokens and of the verifiers; `clock.move(seconds)`.
        is_away: True if Keyfob is not reached: tokens are answered 503.
        lifetime: the seconds that an access token lives.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.is_away = False
        self.lifetime = 300
        self._revocations = Revocations()
        self._verifiers: list[Trust] = []
        self._real: list[tuple[Trust, Judge]] = []
        self._api_keys: list[ApiKey] = []

    def trusted_by(self, *verifiers: Trust) -> Self:
        """Let verifiers believe this Keyfob, and no other, until `close`.

        Raises:
            ValueError: they are of different issuers, whose tokens would not be the same.
        """
        if len({verifier.issuer for verifier in (*self._verifiers, *verifiers)}) > 1:
            raise ValueError("the verifiers should be of one issuer")
        for verifier in verifiers:
            if verifier not in self._verifiers:
                self._replace(verifier)
        return self

    def _replace(self, verifier: Trust) -> None:
        parts = vars(verifier)  # as a test may: nothing else needs to change them
        real, engine = parts["_judge"], StandInEngine(self, _resource_of(verifier))
        judge = Judge(
            real.rules,
            verifier.metrics,
            self.clock,
            revoked=self._revocations if _follows(verifier) else None,
            check_proof=vars(real)["_check_proof"],
        )
        judge.keys = _keys()
        # In the instance, not in `_running`: an app that closes its verifier would end that.
        parts.update(_judge=judge, _engine=lambda: engine)
        self._verifiers.append(verifier)
        self._real.append((verifier, real))

    def user(
        self,
        *,
        roles: Collection[str] = ("user",),
        scope: Collection[str] = (),
        subject: str | None = None,
        **claims: Any,
    ) -> Caller:
        """Return a user who has just signed in by password.

        Args:
            roles: the roles of the user; Keyfob gives each at least `user`.
            scope: what the token permits.
            subject: the id of the user; a new one by default.
            claims: further claims, or others than the usual; None leaves one out.
        """
        usual = {
            "sub": subject or str(uuid.uuid4()),
            "client_id": "keyfob",
            "sub_gen": 0,
            "role": next((role for role in _RANKS if role in roles), "user"),
            "roles": list(roles),
            "auth_time": int(self.clock()),
            "acr": "aal1",
            "amr": ["pwd"],
        }
        return self._caller({**usual, "scope": " ".join(scope), **claims})

    def program(
        self, client_id: str = "program", *, scope: Collection[str] = (), **claims: Any
    ) -> Caller:
        """Return a program with the token of its client credentials; it is no user."""
        usual = {"sub": client_id, "client_id": client_id, "sub_gen": 0, "client_gen": 0}
        return self._caller({**usual, "scope": " ".join(scope), **claims})

    def api_key(
        self,
        *,
        scope: Collection[str],
        roles: Collection[str] = ("user",),
        subject: str | None = None,
    ) -> ApiKey:
        """Return an API key of a user.

        Args:
            scope: what the key permits.
            roles: the roles of the user.
            subject: the id of the user; a new one by default.

        Raises:
            RuntimeError: no verifier takes API keys.
        """
        if not any(_resource_of(verifier) for verifier in self._verifiers):
            raise RuntimeError("no verifier has a client and a resource, so none takes API keys")
        no_sign_in = dict.fromkeys(("auth_time", "acr", "amr"))
        key = ApiKey(self.user(roles=roles, scope=scope, subject=subject, gen=0, **no_sign_in))
        self._api_keys.append(key)
        return key

    def exchange(self, key: str, resource: str) -> str | None:
        """Return an access token for a service; None if the API key is not valid."""
        known = next((one for one in self._api_keys if one.token == key), None)
        return known.exchange(resource) if known is not None else None

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        session = {"sid": str(uuid.uuid4()), "gen": 1}
        return Caller({**session, **claims}, sign=self.sign, revoke=self._revoke)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return an access token of these claims; those of its issue are added if they are absent.

        Raises:
            RuntimeError: nobody knows yet who is to believe it.
        """
        if not self._verifiers:
            raise RuntimeError("call keyfob.trusted_by(verifier) first")
        now = int(self.clock())
        names = sorted(set().union(*(verifier.audience for verifier in self._verifiers)))
        usual = {
            "iss": self._verifiers[0].issuer,
            "aud": names[0] if len(names) == 1 else names,
            "iat": now,
            "exp": now + self.lifetime,
        }
        told = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        headers = {"typ": "at+jwt", "kid": _KID}
        return jwt.encode(told, _KEY, algorithm="EdDSA", headers=headers)

    def _revoke(self, of: str, generation: int) -> None:
        if not all(_follows(verifier) for verifier in self._verifiers):
            # A test that passed would promise what the service does not do.
            raise RuntimeError("the verifier has no client, and so does not follow revocations")
        self._revocations.add(of, generation, int(self.clock()) + self.lifetime)

    def close(self) -> None:
        """Give the verifiers back what they had."""
        while self._real:
            verifier, judge = self._real.pop()
            vars(verifier)["_judge"] = judge
            del vars(verifier)["_engine"]
        self._verifiers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
