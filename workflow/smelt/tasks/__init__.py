"""Tasks: declared in YAML, prepared as Parquet splits. A stage, and a library: it imports no stage and no study."""
