"""For people: the demo and the tools of the command line."""
