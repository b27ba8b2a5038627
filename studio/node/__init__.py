"""What a node is: a kind of work, its ports, config and resources. It knows no graph."""
