"""A running conformance suite, over its REST API."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx

_WAIT = httpx.Timeout(60)


class Module(NamedTuple):
    """A module of a plan: one test, in a variant.

    `own` is the part of the variant that not all modules of the plan have.
    """

    name: str
    variant: Mapping[str, str]
    own: Mapping[str, str]


class Verdict(NamedTuple):
    """The result of a module: PASSED, WARNING, REVIEW, SKIPPED, FAILED or INTERRUPTED.

    `remarks` are the conditions that failed or warned, each with its reason.
    """

    module: str
    result: str
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Suite:
    """Makes plans of a suite and runs their modules.

    Its certificate is its own, as the suite is meant to run beside what it tests.
    """

    url: str
    calls: httpx.Client

    @classmethod
    def at(cls, url: str) -> "Suite":
        """Return the suite at a URL, such as `https://localhost:8443`."""
        return cls(url.rstrip("/"), httpx.Client(verify=False, timeout=_WAIT))  # noqa: S501

    def make_plan(
        self, name: str, variant: Mapping[str, str], config: Mapping[str, Any]
    ) -> tuple[str, Sequence[Module]]:
        """Make a plan, and return its id and its modules."""
        params = {"planName": name} | ({"variant": json.dumps(variant)} if variant else {})
        made = self._call("POST", "plan", params=params, json=config)
        variants = [one.get("variant") or {} for one in made["modules"]]
        shared = set.intersection(*(set(one.items()) for one in variants))
        modules = [
            Module(one["testModule"], variant, dict(set(variant.items()) - shared))
            for one, variant in zip(made["modules"], variants, strict=True)
        ]
        return made["id"], modules

    def start(self, plan: str, module: Module) -> str:
        """Start a module of a plan, and return the id of its run."""
        params = {"test": module.name, "plan": plan, "variant": json.dumps(module.variant)}
        started: str = self._call("POST", "runner", params=params)["id"]
        return started

    def go_on(self, run: str) -> None:
        """Begin a run that waits to be started."""
        self._call("POST", f"runner/{run}")

    def status(self, run: str) -> tuple[str, str | None]:
        """Return the state of a run, and its result if it has one."""
        info = self._call("GET", f"info/{run}")
        return info["status"], info.get("result")

    def addresses(self, run: str) -> list[str]:
        """Return the addresses that a person's browser should open now."""
        answer = self.calls.get(f"{self.url}/api/runner/browser/{run}")
        return list(answer.json()["urls"]) if answer.is_success else []

    def set_visited(self, run: str, address: str) -> None:
        """Tell the suite that an address was opened."""
        self.calls.post(f"{self.url}/api/runner/browser/{run}/visit", params={"url": address})

    def wanted_pictures(self, run: str) -> list[str]:
        """Return the places of the log that wait for a picture of the screen."""
        log = self._call("GET", f"log/{run}")
        return [entry["upload"] for entry in log if entry.get("upload")]

    def show(self, run: str, place: str, picture: str) -> None:
        """Put a picture, as a data URL, at a place of the log."""
        answer = self.calls.post(
            f"{self.url}/api/log/{run}/images/{place}",
            content=picture,
            headers={"content-type": "text/plain"},
        )
        answer.raise_for_status()

    def verdict(self, run: str, module: Module) -> Verdict:
        """Return the result of a run that has ended."""
        state, result = self.status(run)
        log = self._call("GET", f"log/{run}")
        remarks = tuple(
            f"{entry['src']}: {entry.get('msg', '')}"
            for entry in log
            if entry.get("result") in {"FAILURE", "WARNING"}
        )
        said = ", ".join(f"{key} {value}" for key, value in sorted(module.own.items()))
        name = f"{module.name} ({said})" if said else module.name
        ended = result if state == "FINISHED" and result else "INTERRUPTED"
        return Verdict(name, ended, remarks)

    def _call(self, method: str, path: str, **options: Any) -> Any:
        answer = self.calls.request(method, f"{self.url}/api/{path}", **options)
        if answer.is_error:
            raise SystemExit(f"the suite refuses {method} {path}: {answer.text[:500]}")
        return answer.json()
