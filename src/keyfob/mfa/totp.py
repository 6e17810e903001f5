"""Time-based one-time codes: RFC 6238 with SHA-1, six digits and 30 seconds, as all apps use.

`cryptography` computes the codes; this module decides which of them are valid.
"""

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from keyfob.core.secrets import compare_digest, random_bytes

STEP_SECONDS = 30
DIGITS = 6
_SECRET_BYTES = 20  # RFC 4226 section 4, R6
_DRIFT = 1  # steps before and after the present one (RFC 6238 section 5.2)


def new_secret() -> bytes:
    """Return a new secret for an authenticator."""
    return random_bytes(_SECRET_BYTES)


def find_step(secret: bytes, code: str, timestamp: int) -> int | None:
    """Return the time step of a code, among the present one and its neighbours; else None.

    It does not check whether the step was used before.

    Args:
        secret: the authenticator's secret.
        code: six ASCII digits.
        timestamp: the seconds since the epoch.
    """
    generate = HOTP(secret, DIGITS, SHA1()).generate  # noqa: S303 - as in RFC 6238 and all apps
    present = timestamp // STEP_SECONDS
    steps = range(max(0, present - _DRIFT), present + _DRIFT + 1)
    # All are compared in any case, so that the time reveals nothing.
    fitting = [step for step in steps if compare_digest(generate(step), code.encode())]
    return fitting[-1] if fitting else None


def provisioning_uri(secret: bytes, issuer: str, account: str) -> str:
    """Return the `otpauth:` URI that authenticator apps read."""
    totp = TOTP(secret, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303 - as above
    return totp.get_provisioning_uri(account, issuer)
