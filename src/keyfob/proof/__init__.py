"""Whose an address is: proving it, and what gives way to whoever does."""
