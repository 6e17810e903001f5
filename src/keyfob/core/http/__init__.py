"""The HTTP edge: what every request passes through, and helpers for routes."""

from keyfob.core.http.clients import client_address, while_present
from keyfob.core.http.edge import Edge
from keyfob.core.http.pages import AskedPage, public_path
from keyfob.core.http.problems import may_refuse, refuse_unknown_query, render_problem
from keyfob.core.http.routing import Large, Provided, StrictRoute, provided, router, takes_large
from keyfob.core.http.strict import read_json

__all__ = [
    "AskedPage",
    "Edge",
    "Large",
    "Provided",
    "StrictRoute",
    "client_address",
    "may_refuse",
    "provided",
    "public_path",
    "read_json",
    "refuse_unknown_query",
    "render_problem",
    "router",
    "takes_large",
    "while_present",
]
