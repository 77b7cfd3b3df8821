"""Training: one readable step, recipes as data, checkpoints that resume bit for bit."""
