"""Floor 2: data versions by name, how two differ, their content where it is kept, and what nothing refers to."""
