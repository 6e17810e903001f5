"""The grants of the token endpoint, a module each."""
