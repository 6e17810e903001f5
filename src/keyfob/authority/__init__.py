"""Who asks, what a role may do, and what a route requires."""
