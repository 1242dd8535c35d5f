"""What a run leaves behind: store, tables, provenance, manifest; written, sealed, read again."""
