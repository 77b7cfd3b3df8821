"""The rules, by what they look at. Each is a small function from `Facts` to faults."""
