"""A plan for every row of a data set, into a folder that can be resumed. It runs steps only through `run`."""
