"""What is still to be done because of a change, written with it."""
