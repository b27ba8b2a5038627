"""Text from text: templates and joining. No weights."""
