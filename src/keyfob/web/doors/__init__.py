"""Pages for going in and out."""
