"""What was made before, by content: keys to records and blobs. It knows no node and no step."""
