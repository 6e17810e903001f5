"""Migrations of a release to come, for a drill; numbered when they are put into it."""
