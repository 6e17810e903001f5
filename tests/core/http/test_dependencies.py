"""Dependencies of routes cost no thread, as plain functions would in FastAPI."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from keyfob.app import create_app
from keyfob.settings import Settings


def called(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    if dependant.call is not None:
        yield dependant.call
    for below in dependant.dependencies:
        yield from called(below)


def is_async(call: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__)


def test_no_dependency_and_no_route_takes_a_thread() -> None:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg] # pydantic-settings' own parameter
        database_url="postgresql://nobody@localhost/none",
        secret_key="a secret key that only the tests know",
    )
    app = create_app(settings)
    routes = [route for route in app.router.routes if isinstance(route, APIRoute)]

    assert len(routes) > 40
    plain = {call for route in routes for call in called(route.dependant) if not is_async(call)}
    assert plain == set()
