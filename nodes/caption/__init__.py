"""What a picture shows, in words."""
