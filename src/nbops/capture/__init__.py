"""Floor 2: what a live namespace did. No IPython here: a script is tracked by the same code."""
