"""Workers as Ray actors, in a private cluster or in one that is there."""
