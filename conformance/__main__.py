"""`python -m conformance [PLAN ...]`: run the suite's plans against Keyfob, and keep the verdicts.

The suite is not part of this project. KEYFOB_CONFORMANCE_URL names a running one on this machine,
such as https://localhost:8443; without it, nothing is run. Exit code 1 if a module failed.
"""

import argparse
import os
import shutil
import sys
import time

from clients.service import PASSWORD
from playwright.sync_api import Browser
from playwright.sync_api import Error as BrowserError

from conformance.page import RESULTS, save, write_page
from conformance.person import Person, chromium, person
from conformance.plans import PLANS, Plan, Surroundings
from conformance.suite import Module, Suite, Verdict
from conformance.surroundings import EMAIL, surroundings

_SECONDS_A_MODULE = 300
_TRIES = 3
# A module that has got what it asked for goes on; if it still waits then, it wants a picture.
_TURNS_TO_GO_ON = 40
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
    with surroundings(suite.url) as around, chromium(_browser()) as browser:
        for name in given.plans or PLANS:
            verdicts = run(suite, PLANS[name], around, browser, only=given.module)
            failed = failed or any(one.result not in _FINE for one in verdicts)
            if not given.module:
                save(RESULTS, name, verdicts)
                write_page()
    return int(failed)


def run(
    suite: Suite, plan: Plan, around: Surroundings, browser: Browser, *, only: str | None
) -> list[Verdict]:
    """Run the modules of a plan, one after the other, each with a person who was not here yet."""
    plan_id, modules = suite.make_plan(plan.name, plan.variant, plan.config(around))
    print(f"-- {plan.title}: {len(modules)} modules", flush=True)
    verdicts = []
    for module in modules:
        if only and only not in module.name:
            continue
        verdict = _try(suite, plan_id, module, around, browser)
        print(f"{verdict.result:12} {verdict.module}", flush=True)
        for remark in verdict.remarks:
            print(f"             {remark}", flush=True)
        verdicts.append(verdict)
    around.remove()
    return verdicts


def _try(
    suite: Suite, plan_id: str, module: Module, around: Surroundings, browser: Browser
) -> Verdict:
    """Run a module; again if the browser fails, which says nothing of Keyfob."""
    failures: list[str] = []
    while len(failures) < _TRIES:
        with person(browser, EMAIL, PASSWORD, suite.url) as somebody:
            somebody.allows = "-rejects-" not in module.name
            somebody.looks_first = "prior-to-auth-completion" in module.name
            if not somebody.allows:
                around.forget()
            try:
                return run_module(suite, suite.start(plan_id, module), module, somebody)
            except BrowserError as error:
                failures.append(f"Browser: {error}".splitlines()[0])
    return Verdict(module.name, "INTERRUPTED", tuple(failures))


def run_module(suite: Suite, run_id: str, module: Module, somebody: Person) -> Verdict:
    """Do what a module asks of a person, until it has ended or takes too long."""
    until, idle = time.monotonic() + _SECONDS_A_MODULE, 0
    while time.monotonic() < until:
        state, _ = suite.status(run_id)
        if state in {"FINISHED", "INTERRUPTED"}:
            break
        if state == "CONFIGURED":
            suite.go_on(run_id)
        if addresses := suite.addresses(run_id):
            suite.set_visited(run_id, addresses[0])
            somebody.visit(addresses[0])
            idle = 0
            continue
        idle = idle + 1 if state == "WAITING" else 0
        if idle > (_TURNS_TO_GO_ON if somebody.is_back else 1) and somebody.picture:
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
