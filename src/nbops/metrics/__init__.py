"""Floor 1: metrics by name — what they are computed from, which way is better, and their values."""
