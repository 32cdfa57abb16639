"""Floor 4: a candidate through its gates into version, alias and deployment: all or nothing. And back."""
