"""Floor 7: the command line. Each command parses, calls one function, prints its answer."""
