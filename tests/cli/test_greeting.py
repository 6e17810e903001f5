"""The output of `keyfob serve` when it is ready."""

import pytest

from keyfob.cli.serve import greeting
from keyfob.settings import Settings


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://127.0.0.1:8000", "http://localhost:8000/auth"),
        ("http://0.0.0.0:8000", "http://localhost:8000/auth"),
        ("http://[::1]:8000", "http://localhost:8000/auth"),
        ("http://[::]:8000", "http://localhost:8000/auth"),
        ("http://192.0.2.1:80", "http://192.0.2.1:80/auth"),
    ],
)
def test_it_names_an_address_that_a_browser_can_open(
    settings: Settings, url: str, base: str
) -> None:
    assert greeting(settings, [url]).splitlines() == [
        "",
        f"Keyfob serves on {base}/",
        f"  open     {base}/ui/sign-in",
        f"  try it   {base}/docs",
        f"  read on  {base}/redoc",
    ]


def test_it_repeats_the_first_administrators_password(settings: Settings) -> None:
    """Other log lines of a first start come between it and the first line with the password."""
    said = greeting(settings, ["http://127.0.0.1:8000"], "fresh-password")

    assert said.splitlines()[-1] == "  sign in  as admin@example.com with fresh-password"


def test_it_names_only_pages_that_there_are(settings: Settings) -> None:
    bare = settings.model_copy(
        update={"docs": False, "redoc": False, "pages": False, "root_path": ""}
    )

    assert greeting(bare, ["http://127.0.0.1:8000"]).split() == [
        "Keyfob",
        "serves",
        "on",
        "http://localhost:8000/",
    ]


def test_it_names_an_address_before_a_unix_socket_and_a_socket_where_there_is_nothing_else(
    settings: Settings,
) -> None:
    bare = settings.model_copy(update={"docs": False, "redoc": False})

    both = greeting(bare, ["unix:/run/keyfob.sock", "http://127.0.0.1:8000"])
    assert "Keyfob serves on http://localhost:8000/auth/" in both
    alone = greeting(bare, ["unix:/run/keyfob.sock"])
    assert alone.strip() == "Keyfob serves on unix:/run/keyfob.sock, below /auth/"
