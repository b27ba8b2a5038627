"""Pictures: what can be made of a picture without a model."""
