"""What a candidate must pass, one file a gate."""
