"""The state of a kernel between two cells, kept, so that a notebook that failed goes on in its middle."""
