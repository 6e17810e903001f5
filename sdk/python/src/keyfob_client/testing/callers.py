"""Users and programs that have access tokens, as the tests of a service need them."""

import secrets
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from keyfob_client.api_keys import DIGITS, with_checksum
from keyfob_client.reading import to_base64url
from keyfob_client.revocations.document import EVERY_GENERATION

Sign = Callable[[Mapping[str, Any]], str]
Revoke = Callable[[str, int], None]


class Shown:
    """Has what a request presents.

    Attributes:
        token: what is presented.
    """

    token: str

    @property
    def headers(self) -> dict[str, str]:
        """The header of a request that presents it."""
        return {"Authorization": f"Bearer {self.token}"}


class Caller(Shown):
    """A user or a program with an access token of its own.

    Attributes:
        subject: the id of the user, or of the program (`sub`).
        token: the access token, which has an end; `renew` gets another.
    """

    def __init__(self, claims: Mapping[str, Any], *, sign: Sign, revoke: Revoke) -> None:
        self._claims = dict(claims)
        self._sign = sign
        self._revoke = revoke
        self.subject = str(claims["sub"])
        self.token = self.renew()

    def renew(self, **claims: Any) -> str:
        """Get another token, from now on, as a refresh or a new sign-in does.

        Args:
            claims: what differs from now on, such as `roles=["clerk"]`; None leaves a claim out.
        """
        self._claims |= claims
        self._token_id = uuid.uuid4()
        self.token = self._sign({"jti": to_base64url(self._token_id.bytes), **self._claims})
        return self.token

    def revoke(self) -> None:
        """Revoke the token, and no other."""
        self._revoke(str(self._token_id), EVERY_GENERATION)

    def sign_out(self) -> None:
        """End the session that the token belongs to; `renew` is then of a new one."""
        self._revoke(str(self._claims["sid"]), EVERY_GENERATION)
        self._claims["sid"] = str(uuid.uuid4())

    def sign_out_everywhere(self) -> None:
        """End all tokens of this subject, as a block does; those renewed later are good."""
        generation = int(self._claims["sub_gen"])
        self._revoke(self.subject, generation)
        # A program is its own subject, whose one id is compared with both.
        ids = ("sub_gen", "client_gen") if "client_gen" in self._claims else ("sub_gen",)
        self._claims |= dict.fromkeys(ids, generation + 1)


class ApiKey(Shown):
    """An API key of a user, which verifiers exchange for access tokens.

    Attributes:
        subject: the id of the user.
        token: the key itself.
    """

    def __init__(self, user: Caller) -> None:
        self._user = user
        self._is_good = True
        self.subject = user.subject
        random = "".join(secrets.choice(DIGITS) for _ in range(43))
        self.token = with_checksum(f"kfk_{random}")

    def exchange(self, resource: str) -> str | None:
        """Return an access token for a service; None if the key was revoked."""
        return self._user.renew(aud=resource) if self._is_good else None

    def revoke(self) -> None:
        """Revoke the key, and the tokens that it was exchanged for."""
        self._user.sign_out()
        self._is_good = False
