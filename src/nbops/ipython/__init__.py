"""Floor 7: the face in IPython: the extension, its magics, its hooks, its cards."""
