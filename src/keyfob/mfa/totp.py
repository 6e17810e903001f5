"""One-time codes by time: RFC 6238 with SHA-1, six digits and 30 seconds, as every app knows them.

The codes are computed by `cryptography`; which of them are good is decided here.
"""

from functools import partial
from io import BytesIO

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from keyfob.core.secrets import compare_digest, random_bytes

STEP_SECONDS = 30
DIGITS = 6
_SECRET_BYTES = 20  # RFC 4226 section 4, R6
_DRIFT = 1  # steps before and after the present one (RFC 6238 section 5.2)


def new_secret() -> bytes:
    """Return a secret for one authenticator."""
    return random_bytes(_SECRET_BYTES)


def find_step(secret: bytes, code: str, timestamp: int) -> int | None:
    """Return the time step whose code this is, of the present one and its neighbours; else None.

    Whether the step was used before is not this function's business.

    Args:
        secret: the authenticator's.
        code: six ASCII digits.
        timestamp: seconds since the epoch.
    """
    generate = HOTP(secret, DIGITS, SHA1()).generate  # noqa: S303 - what RFC 6238 and the apps use
    present = timestamp // STEP_SECONDS
    steps = range(max(0, present - _DRIFT), present + _DRIFT + 1)
    # All are compared, whichever fits: how long it takes tells nothing.
    fitting = [step for step in steps if compare_digest(generate(step), code.encode())]
    return fitting[-1] if fitting else None


def provisioning_uri(secret: bytes, issuer: str, account: str) -> str:
    """Return the `otpauth:` URI that authenticator apps read."""
    totp = TOTP(secret, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303 - as above
    return totp.get_provisioning_uri(account, issuer)


def draw_qr(uri: str) -> str:
    """Draw a URI as a QR code: an SVG document of its own, under 24 KB, that loads nothing."""
    import segno  # noqa: PLC0415 - 2 MB, only where used

    document = BytesIO()
    write = partial(segno.make(uri, error="l", micro=False).save, document, kind="svg")
    write(xmldecl=False, nl=False, scale=4, title="QR code")
    return document.getvalue().decode()
