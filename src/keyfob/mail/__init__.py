"""Templates, and their delivery."""
