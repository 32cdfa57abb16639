"""Floor 0: the nouns and the pure functions over them. Standard library only."""
