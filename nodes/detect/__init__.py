"""Detection: the things on a picture, each with a box around it."""
