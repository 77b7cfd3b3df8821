"""Single weights at zero: by magnitude, in patterns, step by step."""
