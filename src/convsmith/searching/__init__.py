"""Architecture search: networks of a space are costed before training, and the promising ones are trained in short."""
