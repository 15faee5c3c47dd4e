"""CSV dialects, encodings, formula-safe cells, streaming from and to S3."""
