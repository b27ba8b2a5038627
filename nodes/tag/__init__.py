"""Tags: what a picture shows, in words of a fixed list."""
