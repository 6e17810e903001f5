"""The physical limit that a scene is compared with."""
