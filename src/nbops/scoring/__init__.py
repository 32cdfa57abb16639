"""Floor 3: a deployment applied to data, streamed, whole or not at all; the smoke score in a clean process."""
