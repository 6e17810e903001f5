"""Nonces for proofs, made from the clock by a MAC: every worker checks them, and no row is kept."""

from dataclasses import dataclass
from typing import Final

from keyfob.core.clock import Clock
from keyfob.core.encoding import from_base64url, to_base64url
from keyfob.core.encryption import KEY_ID_BYTES, KeyRing
from keyfob.core.secrets import compare_digest

STEP: Final = 60  # seconds
_STEP_BYTES = 5
_MAC_BYTES = 16
_CHARACTERS = (KEY_ID_BYTES + _STEP_BYTES + _MAC_BYTES) * 4 // 3


@dataclass(frozen=True, kw_only=True)
class Nonces:
    """Makes a nonce each minute, and accepts those of this minute and of its neighbours.

    So a nonce is good for one to two minutes; the next minute's may come from a worker whose clock
    is ahead. Nobody can make one for later: what has one was made when it says (RFC 9449 section
    8), whatever the clock of the client shows.
    """

    ring: KeyRing
    clock: Clock

    def present(self) -> str:
        """Return the nonce to be used now."""
        key, step = self.ring.first, self._step().to_bytes(_STEP_BYTES)
        return to_base64url(key.id + step + key.mac(step)[:_MAC_BYTES]).decode("ascii")

    def is_good(self, nonce: object) -> bool:
        """Tell whether a nonce is ours, and not too old."""
        if not isinstance(nonce, str) or len(nonce) != _CHARACTERS:
            return False
        try:
            data = from_base64url(nonce)
        except ValueError:
            return False
        step, mac = data[KEY_ID_BYTES:-_MAC_BYTES], data[-_MAC_BYTES:]
        key = self.ring.find(data[:KEY_ID_BYTES])
        if key is None or not compare_digest(key.mac(step)[:_MAC_BYTES], mac):
            return False
        return abs(int.from_bytes(step) - self._step()) <= 1

    def _step(self) -> int:
        return self.clock.timestamp() // STEP
