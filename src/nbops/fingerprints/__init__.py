"""Floor 1: object or file → `Fingerprint` (``f1:blake3:…``), by content; the semantics are docs/fingerprints.md."""
