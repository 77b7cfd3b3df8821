"""ILSVRC 2012's classification task: entries of five guesses for each image, and their score."""
