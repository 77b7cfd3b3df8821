"""The model: a network with its weights, classes and preprocessing, and its one file."""
