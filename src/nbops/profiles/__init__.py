"""Record batches → mergeable column summaries in one pass; the data contract inferred from them."""
