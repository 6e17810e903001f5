"""A passkey in software, together with the browser that shows it (WebAuthn Level 3)."""

import hashlib
import json
import struct
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keyfob_client.reading import to_base64url

_USER_PRESENT, _USER_VERIFIED, _HAS_KEY = 0x01, 0x04, 0x40


class Passkey:
    """One passkey, of a page at an origin."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._key = Ed25519PrivateKey.generate()
        self._id = hashlib.sha256(self._key.public_key().public_bytes_raw()).digest()
        self._user: str | None = None

    def make(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return what `navigator.credentials.create()` does, written by `toJSON()`."""
        self._user = options["user"]["id"]
        # A COSE_Key of the kind OKP, for EdDSA with Ed25519, and its x.
        key = b"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20"
        key += self._key.public_key().public_bytes_raw()
        attested = bytes(16) + struct.pack(">H", len(self._id)) + self._id + key
        data = self._data(options["rp"]["id"], _HAS_KEY) + attested
        # A map of fmt, which is none, an empty attStmt, and authData.
        statement = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"
        statement += struct.pack("B", len(data)) + data
        return self._credential(
            clientDataJSON=to_base64url(self._told("webauthn.create", options)),
            attestationObject=to_base64url(statement),
        )

    def show(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return what `navigator.credentials.get()` does, likewise."""
        told, data = self._told("webauthn.get", options), self._data(options["rpId"])
        signature = self._key.sign(data + hashlib.sha256(told).digest())
        return self._credential(
            clientDataJSON=to_base64url(told),
            authenticatorData=to_base64url(data),
            signature=to_base64url(signature),
            userHandle=self._user,
        )

    def _told(self, kind: str, options: dict[str, Any]) -> bytes:
        told = {"type": kind, "challenge": options["challenge"], "origin": self._origin}
        return json.dumps(told).encode()

    def _data(self, party: str, flags: int = 0) -> bytes:
        flags |= _USER_PRESENT | _USER_VERIFIED
        return hashlib.sha256(party.encode()).digest() + struct.pack(">BI", flags, 0)

    def _credential(self, **response: Any) -> dict[str, Any]:
        name = to_base64url(self._id)
        return {"id": name, "rawId": name, "type": "public-key", "response": response}
