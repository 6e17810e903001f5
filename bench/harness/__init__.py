"""The parts of scenes: servers, load, figures."""
