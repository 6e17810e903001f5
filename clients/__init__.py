"""Clients generated from the OpenAPI document, compiled, and used against the service."""
