"""Floor 1: where things are kept. Metadata in SQL (one module a noun, no SQL elsewhere), content by digest."""
