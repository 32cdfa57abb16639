"""Floor 5: what was seen becomes a decision, a decision a job, a job a challenger at the gates."""
