"""Text from a prompt, by large language models."""
