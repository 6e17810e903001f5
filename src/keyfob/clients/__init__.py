"""Clients: programs that an administrator registered, their secrets, and resources."""
