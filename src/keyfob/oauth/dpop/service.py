"""Proofs at our own addresses: each counts once over all workers, and has a nonce of ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from urllib.parse import quote

import structlog

from keyfob.authority.errors import NotProven, ProofNonceNeeded
from keyfob.core.batches import in_batches
from keyfob.core.clock import SKEW, Clock
from keyfob.core.database import Database
from keyfob.limits.local import LocalRate
from keyfob.oauth import queries
from keyfob.oauth.client_jwts import Refused
from keyfob.oauth.dpop.nonces import STEP, Nonces
from keyfob.oauth.dpop.proofs import Proof, Shown, read_proof
from keyfob.oauth.errors import InvalidDpopProof, UseDpopNonce

log = structlog.get_logger("keyfob.oauth")

# As long as any nonce is good, and for clocks that jump.
_KEPT = timedelta(seconds=3 * STEP) + SKEW


@dataclass(frozen=True, kw_only=True)
class Proofs:
    """Checks proofs of possession (RFC 9449), by addresses of `KEYFOB_ISSUER`.

    The nonce comes first, then the signature, and last the id: who has shown nothing else that is
    good makes us write nothing.

    Args:
        issuer: the address below which all of ours are, whatever a request says in `Host`.
        shows: counts by key what is shown with a token, since each writes a row.
    """

    db: Database
    clock: Clock
    nonces: Nonces
    issuer: str
    shows: LocalRate

    def read(self, given: Sequence[str], path: str) -> Proof | None:
        """Return the proof of a client that asks something of us by POST, or None without any.

        Its signature is not checked yet.

        Raises:
            InvalidDpopProof: it is not for this request, or there are two.
            UseDpopNonce: it has no nonce of ours, or an old one.
        """
        if not given:
            return None
        try:
            proof = self._read(given, Shown("POST", self._address(path)))
        except Refused as refused:
            raise self._refused(refused) from None
        if not self.nonces.is_good(proof.nonce):
            raise UseDpopNonce(headers=self.headers())
        return proof

    def verify(self, proof: Proof) -> str:
        """Check the signature, and return the thumbprint of the key.

        Raises:
            InvalidDpopProof: it is wrong.
        """
        try:
            proof.ensure_signed()
        except Refused as refused:
            raise self._refused(refused) from None
        return proof.jkt

    async def spend(self, proof: Proof) -> None:
        """Let a proof count, once.

        Raises:
            InvalidDpopProof: it has counted before, on whatever worker.
        """
        if not await self._spend(proof):
            raise self._refused(Refused("jti was used before"))

    def of_token(self, given: Sequence[str], method: str, path: str, token: str) -> Proof:
        """Return the proof that comes with an access token (RFC 9449 section 7).

        Raises:
            NotProven: there is none, or it is not for this request and this token.
            ProofNonceNeeded: it has no nonce of ours, or an old one.
        """
        try:
            proof = self._read(given, Shown(method, self._address(path), token))
            if not self.nonces.is_good(proof.nonce):
                raise ProofNonceNeeded(self.headers())
            proof.ensure_signed()
        except Refused as refused:
            raise self._not_proven(refused) from None
        return proof

    async def spend_with_token(self, proof: Proof) -> None:
        """Let a proof count, once, after the token that it came with was found to be good.

        Raises:
            NotProven: it has counted before, on whatever worker.
            TooManyRequests: the key signs more of them than the limit allows.
        """
        self.shows.hit(proof.jkt)
        if not await self._spend(proof):
            raise self._not_proven(Refused("jti was used before"))

    def headers(self) -> Mapping[str, str]:
        """Return the header that tells the nonce to be used now."""
        return {"DPoP-Nonce": self.nonces.present()}

    async def clean_up(self) -> None:
        """Delete the ids of proofs whose nonces have expired."""
        await in_batches(partial(queries.delete_spent_proofs, self.db, self.clock.now()))

    def _read(self, given: Sequence[str], shown: Shown) -> Proof:
        # Threat: of two, two readers would each believe another (RFC 9449 section 4.3).
        if len(given) != 1:
            raise Refused("there is not one DPoP header")
        return read_proof(given[0], shown, self.clock.timestamp())

    def _address(self, path: str) -> str:
        return self.issuer.rstrip("/") + quote(path)  # the path of a request is decoded

    async def _spend(self, proof: Proof) -> bool:
        now = self.clock.now()
        return await queries.spend_proof(self.db, proof.id_hash, now + _KEPT, now)

    def _refused(self, why: Refused) -> InvalidDpopProof:
        log.info("dpop_proof_refused", reason=str(why))
        return InvalidDpopProof()

    def _not_proven(self, why: Refused) -> NotProven:
        log.info("dpop_proof_refused", reason=str(why))
        return NotProven()
