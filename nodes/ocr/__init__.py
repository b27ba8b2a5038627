"""Reading: the words on a picture, and where they stand."""
