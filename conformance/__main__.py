"""`python -m conformance [PLAN ...]`: run the suite's plans against Keyfob, and keep the verdicts.

The suite is not part of this project. KEYFOB_CONFORMANCE_URL names a running one on this machine,
such as https://localhost:8443; without it, nothing is run. Exit code 1 if a module failed.
"""

import argparse
import contextlib
import os
import shutil
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from clients.service import PASSWORD, service

from conformance.front import Front
from conformance.page import RESULTS, save, write_page
from conformance.person import Person, person
from conformance.plans import PLANS, Plan, Surroundings
from conformance.suite import Module, Suite, Verdict

_EMAIL = "admin@example.com"
_SECONDS_A_MODULE = 150
_FINE = {"PASSED", "SKIPPED", "REVIEW", "WARNING"}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    """Run the named plans, or all of them, and write docs/conformance.md."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument("plans", nargs="*", metavar="PLAN", help=f"of {', '.join(PLANS)}")
    parser.add_argument("--module", help="only modules whose name contains this; keeps nothing")
    parser.add_argument("--page", action="store_true", help="run nothing, write the page anew")
    given = parser.parse_args()
    if unknown := set(given.plans) - set(PLANS):
        parser.error(f"there is no plan {', '.join(sorted(unknown))}")
    if given.page:
        write_page()
        return 0
    url = os.environ.get("KEYFOB_CONFORMANCE_URL")
    if not url:
        print("not run: KEYFOB_CONFORMANCE_URL names no running conformance suite")
        return 0
    suite, failed = Suite.at(url), False
    with keyfob_for(suite) as (issuer, register):
        for name in given.plans or PLANS:
            around = Surroundings(suite.url, issuer, register)
            verdicts = run(suite, PLANS[name], around, only=given.module)
            failed = failed or any(one.result not in _FINE for one in verdicts)
            if not given.module:
                save(RESULTS, name, verdicts)
                write_page()
    return int(failed)


@contextlib.contextmanager
def keyfob_for(suite: Suite) -> Iterator[tuple[str, Callable[..., dict[str, str]]]]:
    """Start Keyfob behind TLS; yield its issuer and a function that registers clients."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        front = Front(folder)
        at = urlsplit(suite.url)
        trusted = folder / "suite.pem"
        trusted.write_text(ssl.get_server_certificate((at.hostname or "", at.port or 443)))
        with front.open():
            issuer = f"https://localhost:{front.own_port}/auth"
            settings = {
                "KEYFOB_ADMIN_PASSWORD": PASSWORD,
                "KEYFOB_ADMIN_EMAIL": _EMAIL,
                "KEYFOB_ISSUER": issuer,
                "KEYFOB_PUBLIC_URL": issuer,
                "KEYFOB_OUTBOUND_ALLOW": "localhost,127.0.0.1/32",
                "KEYFOB_OUTBOUND_CA_FILE": str(trusted),
            }
            with service(**settings) as url:
                front.port = urlsplit(url).port
                yield issuer, _registrar(url)


def _registrar(url: str) -> Callable[..., dict[str, str]]:
    calls = httpx.Client(timeout=30)

    def post(path: str, body: dict[str, Any]) -> Any:
        answer = calls.post(f"{url}/{path}", json=body)
        if answer.is_error:
            raise SystemExit(f"Keyfob refuses {path}: {answer.text}")
        return answer.json()

    def sign_in() -> None:
        signed_in = post("login", {"email": _EMAIL, "password": PASSWORD})
        calls.headers["Authorization"] = f"Bearer {signed_in['access_token']}"

    def register(**fields: Any) -> dict[str, str]:
        sign_in()
        made = {"client_id": post("admin/clients", fields)["id"]}
        if fields.get("auth_method", "client_secret_basic").startswith("client_secret"):
            secret = post(f"admin/clients/{made['client_id']}/secrets", {})
            made["client_secret"] = secret["client_secret"]
        return made

    sign_in()
    # The suite asks for a name, too.
    calls.patch(f"{url}/me", json={"name": "Ada Lovelace"}).raise_for_status()
    return register


def run(suite: Suite, plan: Plan, around: Surroundings, *, only: str | None) -> list[Verdict]:
    """Run the modules of a plan, one after the other, each with a browser of its own."""
    plan_id, modules = suite.make_plan(plan.name, plan.variant, plan.config(around))
    print(f"-- {plan.title}: {len(modules)} modules", flush=True)
    verdicts = []
    for module in modules:
        if only and only not in module.name:
            continue
        with person(_browser(), _EMAIL, PASSWORD, suite.url) as somebody:
            somebody.allows = "rejects" not in module.name
            verdict = run_module(suite, suite.start(plan_id, module), module, somebody)
        print(f"{verdict.result:12} {verdict.module}", flush=True)
        for remark in verdict.remarks:
            print(f"             {remark}", flush=True)
        verdicts.append(verdict)
    return verdicts


def run_module(suite: Suite, run_id: str, module: Module, somebody: Person) -> Verdict:
    """Do what a module asks of a person, until it has ended or takes too long."""
    until = time.monotonic() + _SECONDS_A_MODULE
    while time.monotonic() < until:
        state, _ = suite.status(run_id)
        if state in {"FINISHED", "INTERRUPTED"}:
            break
        if state == "CONFIGURED":
            suite.go_on(run_id)
        for address in suite.addresses(run_id):
            suite.set_visited(run_id, address)
            somebody.visit(address)
            break
        else:
            if state == "WAITING" and somebody.picture:
                for place in suite.wanted_pictures(run_id):
                    suite.show(run_id, place, somebody.picture)
            time.sleep(0.3)
    return suite.verdict(run_id, module)


def _browser() -> str:
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if program is None:
        raise SystemExit("not run: there is no Chromium")
    return program


if __name__ == "__main__":
    sys.exit(main())
