"""`docs/integrate.md` does what it says: each of its programs is loaded, and asked."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application
from tests.issuer import Issuer
from tests.test_frameworks import call_asgi, call_wsgi

PAGE = (Path(__file__).parents[3] / "docs" / "integrate.md").read_text("utf-8")
PROGRAMS = dict(
    re.findall(r"^```python (\w+)/orders.py\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
)


def program(framework: str, issuer: Issuer, folder: Path) -> Path:
    text = PROGRAMS[framework]
    assert "http://localhost:8000/auth" in text
    path = folder / "orders.py"
    path.write_text(text.replace("http://localhost:8000/auth", issuer.url), "utf-8")
    return path


def app_in(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.parent.name, path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Litestar looks annotations up there
    spec.loader.exec_module(module)
    if hasattr(module, "app"):
        return module.app
    if not settings.configured:
        settings.configure(SECRET_KEY="-" * 50, ALLOWED_HOSTS=["*"], MIDDLEWARE=[])
        django.setup()
    settings.ROOT_URLCONF = module
    django.urls.clear_url_caches()
    return get_asgi_application()


@pytest.fixture
def tokens(issuer: Issuer) -> tuple[str, str]:
    return issuer.token(aud="keyfob"), issuer.token(aud="keyfob", roles=["admin"])


def test_there_is_a_program_for_each_framework() -> None:
    assert set(PROGRAMS) == {"fastapi", "starlette", "litestar", "flask", "django", "script"}


@pytest.mark.parametrize("framework", sorted(set(PROGRAMS) - {"script"}))
def test_programs_let_in_who_may(
    framework: str, issuer: Issuer, tmp_path: Path, tokens: tuple[str, str]
) -> None:
    app = app_in(program(framework, issuer, tmp_path))
    call = call_wsgi(app) if framework == "flask" else call_asgi(app)
    user, admin = ({"Authorization": f"Bearer {token}"} for token in tokens)
    delete = ("POST", "/orders/delete") if framework == "django" else ("DELETE", "/orders")

    assert call("GET", "/orders", user).json() == {"of": issuer.claims()["sub"]}
    assert call("GET", "/orders").status_code == 401
    assert call(*delete, user).status_code == 403
    assert call(*delete, admin).is_success


def test_the_script_prints_who_it_is(
    issuer: Issuer, tmp_path: Path, tokens: tuple[str, str]
) -> None:
    path = program("script", issuer, tmp_path)

    def run(token: str) -> "subprocess.CompletedProcess[str]":
        source = str(Path(__file__).parents[1] / "src")
        return subprocess.run(
            [sys.executable, path, token],
            env={"PYTHONPATH": source},
            capture_output=True,
            text=True,
            check=False,
        )

    assert run(tokens[0]).stdout == f"{issuer.claims()['sub']}\n"
    assert run("rubbish").stderr == "refused: malformed\n"
    issuer.is_down = True
    assert run(tokens[0]).stderr.endswith("Keyfob is not reached\n")
