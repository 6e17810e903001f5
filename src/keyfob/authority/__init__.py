"""The subject of a request, the powers of a role, and the requirements of routes."""
