"""Random changes to training images, as data and on whole batches."""
