"""What a graph says: YAML as a frozen Plan, or every problem in it. It runs nothing."""
