"""Networks from networks."""
