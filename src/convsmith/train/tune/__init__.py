"""What is measured on this machine before a run: arithmetic, batch, pace, learning rate, decoders."""
