"""What a User-Agent tells, and that a hostile one costs nothing."""

import pytest

from keyfob.sessions.devices import describe_device

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
CHROME = f"{WEBKIT} Chrome/124.0.0.0"


@pytest.mark.parametrize(
    ("user_agent", "kind", "browser", "system"),
    [
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36",
         "desktop", "Chrome 124", "Windows 10"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
         "Version/17.4 Safari/605.1.15", "desktop", "Safari 17", "Mac OS X 10"),
        ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0",
         "desktop", "Firefox 125", "Ubuntu"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {CHROME} Safari/537.36",
         "desktop", "Chrome 124", "Chrome OS 14541"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
         "Gecko) Version/17.4 Mobile/15E148 Safari/604.1", "mobile", "Mobile Safari 17", "iOS 17"),
        (f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {CHROME} Mobile Safari/537.36",
         "mobile", "Chrome Mobile 124", "Android 14"),
        (f"Mozilla/5.0 (Linux; Android 13; SM-X900) {CHROME} Safari/537.36",
         "tablet", "Chrome 124", "Android 13"),
        ("Mozilla/5.0 (iPad; CPU OS 16_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
         "Version/16.5 Mobile/15E148 Safari/604.1", "tablet", "Mobile Safari 16", "iOS 16"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
         "bot", "Googlebot 2", None),
        ("curl/8.5.0", "bot", "curl 8", None),
        ("python-requests/2.32", "bot", "Python Requests 2", None),
        ("", "unknown", None, None),
        ("x", "unknown", None, None),
    ],
)  # fmt: skip
def test_the_usual_devices_are_told_apart(
    user_agent: str, kind: str, browser: str | None, system: str | None
) -> None:
    device = describe_device(user_agent)

    assert (device.device_type, device.browser, device.os) == (kind, browser, system)


@pytest.mark.parametrize(
    "user_agent",
    [
        "\x00",
        "\r\nSet-Cookie: x",
        "(" * 5000,
        "Mozilla/5.0 " * 500,
        "<script>",
        "é" * 600,
        "\udc80",
    ],
)
def test_a_hostile_user_agent_is_some_unknown_device(user_agent: str) -> None:
    device = describe_device(user_agent)

    assert device.device_type in {"unknown", "desktop"}
    for part in (device.browser, device.os, device.platform):
        assert part is None or len(part) <= 256
