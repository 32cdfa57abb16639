"""Floor 1: tables in files (CSV, TSV, Parquet), found by name or glob and read as a stream of record batches."""
