"""Floor 1: what a notebook file says without running it: cells, embedded records, parameters, names, code."""
