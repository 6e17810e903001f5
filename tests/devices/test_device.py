"""Devices from a User-Agent; a hostile one costs no time."""

import pytest

from keyfob.core.text import drop_controls
from keyfob.devices.device import describe_device, source_in_words
from keyfob.devices.source import Source

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
        (f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) {CHROME} Mobile Safari/537.36 (compatible; "
         "Googlebot/2.1)",
         "bot", "Googlebot 2", "Android 6"),
        ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
         "bot", "FacebookBot 1", None),
        # Apps that speak through a library of their system never say "Mobile", on phones neither.
        ("okhttp/4.12.0", "mobile", "okhttp 4", None),
        ("Example/2.3 (Linux; Android 14; Pixel 8) okhttp/4.12.0",
         "mobile", "okhttp 4", "Android 14"),
        ("Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UQ1A.240105.004)",
         "mobile", "Android 14", "Android 14"),
        ("Dalvik/2.1.0 (Linux; U; Android 13; SM-X900 Build/TP1A.220624.014)",
         "tablet", "Android 13", "Android 13"),
        ("com.example.app (Linux; U; Android 14; de_DE; Pixel 8; Build/UQ1A; Cronet/124.0)",
         "mobile", "Android 14", "Android 14"),
        ("Dart/3.3 (dart:io)", "mobile", None, None),
        ("Example/7 CFNetwork/1494.0.7 Darwin/23.4.0", "mobile", "Example 7", "iOS 17"),
        ("Example/7 CFNetwork/1494.0.7 Darwin/23.4.0 (x86_64)",
         "desktop", "Example 7", "Mac OS X"),
        ("Example/7.0 (com.example.app; build:1; iOS 17.4.0) Alamofire/5.9.0",
         "mobile", None, "iOS 17"),
        (f"Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UQ1A; wv) {WEBKIT} Version/4.0 "
         "Chrome/124.0.0.0 Mobile Safari/537.36", "mobile", "Chrome Mobile WebView 124",
         "Android 14"),
        ("Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UQ1A; wv) Example/7",
         "mobile", "Android 14", "Android 14"),
        (f"Mozilla/5.0 (Linux; Android 13; SM-X900 Build/TP1A; wv) {WEBKIT} Version/4.0 "
         "Chrome/124.0.0.0 Safari/537.36", "tablet", "Chrome Mobile WebView 124", "Android 13"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
         "Gecko) Mobile/15E148", "mobile", "Mobile Safari UI/WKWebView", "iOS 17"),
        # A maker of phones.
        (f"Mozilla/5.0 (Linux; Android 13; CUBOT P80) {CHROME} Mobile Safari/537.36",
         "mobile", "Chrome Mobile 124", "Android 13"),
        # Apps and hosts whose names only begin or end like what we look for.
        ("MyBottleApp/1 CFNetwork/1494.0.7 Darwin/23.4.0", "mobile", "MyBottleApp 1", "iOS 17"),
        ("RobotArm/1 CFNetwork/1494.0.7 Darwin/23.4.0", "mobile", "RobotArm 1", "iOS 17"),
        ("MyCurl/3 CFNetwork/1494.0.7 Darwin/23.4.0", "mobile", "MyCurl 3", "iOS 17"),
        ("Rekindled/1 CFNetwork/1494.0.7 Darwin/23.4.0", "mobile", "Rekindled 1", "iOS 17"),
        ("Tabletop/1 CFNetwork/1494.0.7 Darwin/23.4.0", "mobile", "Tabletop 1", "iOS 17"),
        ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
         "bot", "AhrefsBot 7", None),
        ("Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
         "bot", "Baiduspider 2", None),
        ("some-crawler (https://example.com)", "bot", "some-crawler", None),
        ("my_bot", "bot", "my_bot", None),
        ("PycURL/7.43 libcurl/7.47.0", "bot", "PycURL 7", None),
        ("Go-http-client/1.1", "bot", "Go-http-client 1", None),
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


def test_an_app_of_the_system_is_named_once() -> None:
    phone = Source("203.0.113.7", "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UQ1A)")

    assert source_in_words(phone)["device"] == "Android 14"


@pytest.mark.parametrize("control", ["\x9b2J", "\x85", "\u2028", "\u202e", "\x1b]0;x\x07"])
@pytest.mark.parametrize(
    "template",
    ["a{}b CFNetwork/1 Darwin/1", "Mozilla/5.0 (Linux; Android 14; a{}b) Mobile", "a{}b/7"],
)
def test_no_part_of_a_device_steers_a_terminal(template: str, control: str) -> None:
    device = describe_device(template.format(control))

    for part in (device.browser, device.os, device.platform):
        assert part is None or part == drop_controls(part)
