"""The JSON of passkeys to and from browsers (WebAuthn Level 3, section 5.1).

The size of each part from the browser is limited, so that parsing stays cheap. Unknown parts are
ignored.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from pydantic.alias_generators import to_camel

_BYTES = "^[A-Za-z0-9_-]*$"  # base64url without padding

CredentialId = Annotated[str, Field(pattern=_BYTES, min_length=1, max_length=1364)]  # 1,023 bytes
Transport = Annotated[str, Field(pattern="^[a-z-]*$", max_length=32)]
ClientData = Annotated[str, Field(pattern=_BYTES, min_length=1, max_length=8192)]


class _Part(BaseModel):
    model_config = {"alias_generator": to_camel}


class AttestationIn(_Part):
    """The result of `navigator.credentials.create()`."""

    client_data_json: Annotated[ClientData, Field(alias="clientDataJSON")]
    attestation_object: Annotated[str, Field(pattern=_BYTES, min_length=1, max_length=16384)]
    transports: list[Transport] = Field(default_factory=list, max_length=16)


class AssertionResponseIn(_Part):
    """The result of `navigator.credentials.get()`."""

    client_data_json: Annotated[ClientData, Field(alias="clientDataJSON")]
    authenticator_data: Annotated[str, Field(pattern=_BYTES, min_length=1, max_length=4096)]
    signature: Annotated[str, Field(pattern=_BYTES, min_length=1, max_length=2048)]
    user_handle: Annotated[str | None, Field(pattern=_BYTES, max_length=86)] = None  # 64 bytes


class _CredentialIn(_Part):
    id: CredentialId
    raw_id: CredentialId
    type: Literal["public-key"]

    def as_json(self) -> dict[str, Any]:
        """Return the parts that were sent, without unknown ones."""
        return self.model_dump(by_alias=True, exclude_none=True)


class NewCredentialIn(_CredentialIn):
    """A new passkey."""

    response: AttestationIn


class AssertionIn(_CredentialIn):
    """The proof that the user has a passkey."""

    response: AssertionResponseIn


class CeremonyOut(BaseModel):
    """The options for the browser, and the id of the challenge, to send with its answer."""

    challenge_id: UUID
    options: Annotated[
        dict[str, Any],
        Field(
            description="For `PublicKeyCredential.parseCreationOptionsFromJSON()` or "
            "`parseRequestOptionsFromJSON()`"
        ),
    ]

    @classmethod
    def of(cls, begun: tuple[UUID, dict[str, Any]]) -> "CeremonyOut":
        challenge_id, options = begun
        return cls(challenge_id=challenge_id, options=options)
