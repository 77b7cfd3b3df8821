"""What a run's folder tells: a record of it, runs side by side, and its page."""
