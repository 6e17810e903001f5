"""The judgement of a token, without any I/O: signature, claims, expiry, revocation; and a memory.

Everything here may be called from several threads at once.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from keyfob_client.claims import Rules, check_claims, check_header, generation, read_token
from keyfob_client.errors import InvalidToken, UnknownKey
from keyfob_client.keys import Key, KeySet
from keyfob_client.metrics import Metrics
from keyfob_client.reading import from_base64url, read_object
from keyfob_client.token import AccessToken

# What can revoke a token: ids of a session, user, client or token, each with the token's generation
# of it. A revocation reaches up to a generation.
RestsOn = tuple[tuple[str, int], ...]
# Whether a bound token comes with its proof: of the token, and what a framework has of the request.
CheckProof = Callable[[AccessToken, Any], bool]


class Revoked(Protocol):
    """The revocations that are known here."""

    def check(self) -> None:
        """Raise `Unavailable` if it is not known."""

    def kills(self, rests_on: RestsOn) -> bool:
        """Tell whether a token that rests on these is revoked."""


class _Known(NamedTuple):
    token: AccessToken
    rests_on: RestsOn
    keys: KeySet  # those it was verified with: a key set that changed is believed anew


class Judge:
    """Judges access tokens by rules, keys and revocations.

    Verified tokens are remembered by their SHA-256, at most `remembered` of them; the oldest are
    dropped first. Expiry, revocation and proof are checked each time.

    Args:
        rules: what a token has to fulfil.
        metrics: counts what was judged.
        clock: returns the seconds since 1970.
        revoked: what is revoked; None if nothing tells.
        check_proof: whether a bound token (`cnf`) comes with its proof; without it bound tokens
            are refused. Threat: one taken from memory without its proof is a bearer token.
        remembered: how many tokens to remember.
    """

    def __init__(
        self,
        rules: Rules,
        metrics: Metrics,
        clock: Callable[[], float],
        *,
        revoked: Revoked | None = None,
        check_proof: CheckProof | None = None,
        remembered: int = 10_000,
    ) -> None:
        self.keys: KeySet | None = None
        self.rules = rules
        self.clock = clock
        self._metrics = metrics
        self._revoked = revoked
        self._check_proof = check_proof
        self._remembered = remembered
        self._known: dict[bytes, _Known] = {}
        self._writing = threading.Lock()

    def judge(self, text: str, presented: object = None) -> AccessToken:
        """Return what a token says, if it is to be believed.

        Args:
            text: the token.
            presented: what `check_proof` needs to see of the request.

        Raises:
            InvalidToken: it is not; `reason` says why.
            UnknownKey: its key is not in the key set, or no keys are known yet.
            Unavailable: it is not known what is revoked.
        """
        if self._revoked is not None:
            self._revoked.check()
        keys = self.keys
        if keys is None:
            raise UnknownKey
        digest = hashlib.sha256(text.encode(errors="replace")).digest()
        known = self._known.get(digest)
        if known is None or known.keys is not keys:
            known = self._verify(text, digest, keys)
        else:
            self._metrics.remembered += 1
        self._check_again(known, digest, presented)
        return known.token

    def _check_again(self, known: _Known, digest: bytes, presented: object) -> None:
        token = known.token
        if token.expires_at + self.rules.leeway <= self.clock():
            self._forget(digest)
            raise InvalidToken("expired")
        if self._revoked is not None and self._revoked.kills(known.rests_on):
            self._forget(digest)
            raise InvalidToken("revoked")
        if "cnf" in token.claims and not self._is_proven(token, presented):
            raise InvalidToken("not_proven")

    def _is_proven(self, token: AccessToken, presented: object) -> bool:
        return self._check_proof is not None and self._check_proof(token, presented) is True

    def _verify(self, text: str, digest: bytes, keys: KeySet) -> _Known:
        claims, key = verify_signature(text, keys, self.rules)
        check_claims(claims, self.rules, self.clock())
        token = read_token(claims, key.kid)
        rests_on = self._rests_on(token) if self._revoked is not None else ()
        known = _Known(token, rests_on, keys)
        self._metrics.verified += 1
        if self._remembered:
            self._remember(digest, known)
        return known

    @staticmethod
    def _rests_on(token: AccessToken) -> RestsOn:
        if not {"sid", "gen"} <= token.claims.keys():
            raise InvalidToken("wrong_claims")  # nothing could ever revoke its session
        return rests_on(token)

    def _remember(self, digest: bytes, known: _Known) -> None:
        with self._writing:
            while len(self._known) >= self._remembered:
                del self._known[next(iter(self._known))]
            self._known[digest] = known

    def _forget(self, digest: bytes) -> None:
        with self._writing:
            self._known.pop(digest, None)


def verify_signature(text: str, keys: KeySet, rules: Rules) -> tuple[dict[str, Any], Key]:
    """Return the claims of a JWT in compact form (RFC 7515 section 3.1), and the key it is of.

    The key comes from the key set alone: `jwk`, `jku`, `x5u` and `x5c` in a header have no effect.

    Raises:
        InvalidToken: it is none, or no key has signed it.
        UnknownKey: its key is not in the key set.
    """
    if len(text) > rules.longest:
        raise InvalidToken("too_long")
    signed, _, signature = text.rpartition(".")
    header, _, payload = signed.partition(".")
    try:
        remembered = keys.recall(rules.types, header)
        key = remembered or _key_named_in(header, keys, rules)
        if not key.has_signed(signed.encode("ascii"), from_base64url(signature)):
            raise InvalidToken("bad_signature")
        if remembered is None:
            keys.remember(rules.types, header, key)
        return read_object(from_base64url(payload)), key
    except ValueError:
        raise InvalidToken("malformed") from None


def _key_named_in(text: str, keys: KeySet, rules: Rules) -> Key:
    header = read_object(from_base64url(text))
    check_header(header, rules)
    return keys.find(header.get("kid"), header.get("alg"))


def rests_on(token: AccessToken) -> RestsOn:
    """Return what can revoke a token of Keyfob.

    Its session, user, client and own id; of one that was exchanged, also what the token rests on
    that it was exchanged for (`rests_on`, pairs of an id and a generation). Ids of different kinds
    never coincide, but for a service account, whose one id is compared with each generation.
    """
    claims = token.claims
    named: list[tuple[str | None, int]] = [
        (token.session_id, generation(claims, "gen")),
        (token.subject, generation(claims, "sub_gen")),
        (token.client_id, generation(claims, "client_gen")),
        (id_of_token(token.token_id) if token.token_id else None, 0),
    ]
    further = _pairs(claims.get("rests_on", []))
    return tuple((of, up_to) for of, up_to in (*named, *further) if of is not None)


def id_of_token(jti: str) -> str:
    """Return a `jti` as `rests_on` has it: the text of a UUID, if it stands for 16 bytes."""
    try:
        return str(UUID(bytes=from_base64url(jti)))
    except ValueError:
        return jti


def _pairs(value: object) -> Sequence[tuple[str, int]]:
    if not isinstance(value, list):
        raise InvalidToken("wrong_claims")
    pairs: list[tuple[str, int]] = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str):
            raise InvalidToken("wrong_claims")
        pairs.append((pair[0], generation({"gen": pair[1]}, "gen")))
    return pairs
