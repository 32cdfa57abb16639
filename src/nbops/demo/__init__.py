"""Floor 6: the whole loop on real data."""
