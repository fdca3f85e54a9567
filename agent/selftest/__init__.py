"""The self-test of a room: what it looks at, how it judges, what it says; `runner` carries it out."""
