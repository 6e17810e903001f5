"""API keys: what a person gives to a program that acts for them."""
