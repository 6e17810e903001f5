"""The headers that every answer carries, whoever gives it, and one that tells how."""

# What a page may do is decided by the page; an API answer may do nothing (OWASP ASVS 3.2.1).
CSP = (
    b"content-security-policy",
    b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
)
NO_STORE = (b"cache-control", b"no-store")
_ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


def always_sent(*, hsts: str | None) -> list[tuple[bytes, bytes]]:
    """Return what no answer may choose for itself; beside it go `CSP` and `NO_STORE` or its own.

    `hsts` is the value of Strict-Transport-Security, if it is to be sent.
    """
    strict = [(b"strict-transport-security", hsts.encode())] if hsts else []
    return [*_ALWAYS, *strict]


def takes_gzip(accepted: str) -> bool:
    """Tell whether an Accept-Encoding asks for gzip (RFC 9110 section 12.5.3)."""
    for coding in accepted.lower().split(","):
        name, has_weight, weight = coding.partition(";")
        if name.strip() == "gzip":
            # Not at a weight of nought, nor at one that cannot be read.
            return not has_weight or bool(weight.partition("q=")[2].strip(" \t0."))
    return False
