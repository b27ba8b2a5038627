"""What a person types: each command parses its words, makes one call on Graph, and prints."""
