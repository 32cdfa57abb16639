"""A module a noun; each handler parses, calls one function of the package, and answers."""
