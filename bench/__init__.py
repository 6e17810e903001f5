"""The side-by-side measurements: `make bench`."""
