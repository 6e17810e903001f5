"""Links to ourselves. They are never made of what a request says about its host."""

from starlette.requests import Request


def public_path(request: Request) -> str:
    """Return the request's path under the root path, where a proxy that stripped it has us."""
    scope, settings = request.scope, request.app.state.settings
    return f"{settings.root_path}{scope['path'].removeprefix(scope['root_path'])}"
