"""Cameras, microphones and boards: one file per kind, each captured in a process of its own."""
