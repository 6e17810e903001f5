"""One-time tokens, as links sent by mail carry them."""
