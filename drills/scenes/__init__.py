"""The drills. Each is a function of a size that returns its outcome; its docstring tells it."""
