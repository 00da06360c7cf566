"""CSV, NDJSON and workbooks, streamed."""
