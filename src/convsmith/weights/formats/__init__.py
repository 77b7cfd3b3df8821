"""Files of weights: every format that libraries save them in."""
