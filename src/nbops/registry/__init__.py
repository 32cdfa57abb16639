"""Floor 2: versions of models, the names they go by, and loading them, verified."""
