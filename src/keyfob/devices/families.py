"""The browsers and systems that are known by name.

Threat: clients can write anything into their headers, and ua-parser turns some of it into the name
of a browser. Texts from these lists can go where a stranger's may not: into mails, and into
statistics, which keep an amount for each name.
"""

# Families as ua-parser names them.
BROWSERS = frozenset(
    """
    Amazon Silk|Android|Brave|Chrome|Chrome Mobile|Chrome Mobile WebView|Chrome Mobile iOS
    Chromium|DuckDuckGo|DuckDuckGo Mobile|Edge|Edge Mobile|Electron|Firefox|Firefox Mobile
    Firefox iOS|HeadlessChrome|Huawei Browser|IE|MiuiBrowser|Mobile Safari|Opera|Opera GX
    Opera Mini|Opera Mobile|Opera Touch|PostmanRuntime|Python Requests|Python aiohttp|QQ Browser
    Safari|Samsung Internet|Sber Browser|UC Browser|Vivaldi|Wget|Whale|Yandex Browser|aiohttp|curl
    okhttp
    """.strip()
    .replace("\n    ", "|")
    .split("|")
)
SYSTEMS = frozenset(
    """
    Android|Chrome OS|Debian|Fedora|FreeBSD|Gentoo|HarmonyOS|KaiOS|Linux|Mac OS X|NetBSD|OpenBSD
    Red Hat|Solaris|Tizen|Ubuntu|WatchOS|Windows|iOS|tvOS|webOS
    """.strip()
    .replace("\n    ", "|")
    .split("|")
)
