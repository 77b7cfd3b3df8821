"""One training step, and all that it needs: optimizer, average, gradients, processes."""
