"""The HTTP edge: what every request passes, and what routes ask of it."""

from keyfob.core.http.callers import (
    AdminCaller,
    AnyCaller,
    CallerIfAny,
    CurrentCaller,
    RecentAdminCaller,
    RecentAnyCaller,
    RecentCaller,
)
from keyfob.core.http.clients import client_address
from keyfob.core.http.edge import Edge
from keyfob.core.http.pages import AskedPage, public_path
from keyfob.core.http.presence import while_present
from keyfob.core.http.problems import may_refuse, render_problem
from keyfob.core.http.services import Provided, provided
from keyfob.core.http.strict import StrictRoute, read_json, router

__all__ = [
    "AdminCaller",
    "AnyCaller",
    "AskedPage",
    "CallerIfAny",
    "CurrentCaller",
    "Edge",
    "Provided",
    "RecentAdminCaller",
    "RecentAnyCaller",
    "RecentCaller",
    "StrictRoute",
    "client_address",
    "may_refuse",
    "provided",
    "public_path",
    "read_json",
    "render_problem",
    "router",
    "while_present",
]
