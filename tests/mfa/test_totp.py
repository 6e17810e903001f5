"""Time-based codes: the vectors of the RFCs, against the function that checks codes."""

import pyotp
import pytest

from keyfob.core.qr import draw_qr
from keyfob.mfa.totp import find_step, new_secret, provisioning_uri

# RFC 4226 appendix D and RFC 6238 appendix B share this secret.
SECRET = b"12345678901234567890"

RFC_4226 = [
    "755224",
    "287082",
    "359152",
    "969429",
    "338314",
    "254676",
    "287922",
    "162583",
    "399871",
    "520489",
]
# Eight digits there, of which six are the last six.
RFC_6238 = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}


@pytest.mark.parametrize(("counter", "code"), list(enumerate(RFC_4226)))
def test_the_vectors_of_rfc_4226(counter: int, code: str) -> None:
    assert find_step(SECRET, code, counter * 30) == counter


@pytest.mark.parametrize(("timestamp", "code"), list(RFC_6238.items()))
def test_the_vectors_of_rfc_6238(timestamp: int, code: str) -> None:
    assert find_step(SECRET, code[-6:], timestamp) == timestamp // 30


@pytest.mark.parametrize(("steps", "fits"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_one_step_of_drift_either_way_is_allowed(*, steps: int, fits: bool) -> None:
    code = pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").at(1_000_000 * 30 + steps * 30)

    found = find_step(SECRET, code, 1_000_000 * 30 + 29)

    assert found == (1_000_000 + steps if fits else None)


@pytest.mark.parametrize("code", ["", "75522", "7552240", "000000", "75522a", "٧٥٥٢٢٤"])
def test_what_is_no_code_fits_no_step(code: str) -> None:
    assert find_step(SECRET, code, 0) is None


def test_a_secret_is_as_long_as_the_digest_and_new_each_time() -> None:
    secrets = {new_secret() for _ in range(100)}

    assert len(secrets) == 100
    assert {len(secret) for secret in secrets} == {20}


def test_an_app_reads_the_uri() -> None:
    uri = provisioning_uri(SECRET, "auth.example.com", "ada+new@example.com")

    app = pyotp.parse_uri(uri)

    assert isinstance(app, pyotp.TOTP)
    assert (app.issuer, app.name) == ("auth.example.com", "ada+new@example.com")
    assert (app.digits, app.interval, app.digest().name) == (6, 30, "sha1")
    assert app.at(59) == "287082"


async def test_the_picture_of_the_longest_uri_is_small_and_loads_nothing() -> None:
    # An issuer has 40 characters at most, each of twelve in a URI.
    uri = provisioning_uri(SECRET, "\U0001f511" * 40, "a" * 242 + "@example.com")

    picture = await draw_qr(uri)

    assert picture.startswith("<svg ")
    assert len(picture) < 24_000
    assert "href" not in picture
    assert picture.count("http") == picture.count('xmlns="http://www.w3.org/2000/svg"') == 1
