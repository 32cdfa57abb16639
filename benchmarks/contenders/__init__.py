"""Scripts that do one contender's work in a process of its own; see ``benchmarks/alternating.py``."""
