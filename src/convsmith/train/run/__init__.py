"""A run from its first step to the delivered weights: loop, checkpoints, log, folder."""
