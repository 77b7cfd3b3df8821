"""What is measured on the data before a network is designed, each with its uncertainty, sample size and time."""
