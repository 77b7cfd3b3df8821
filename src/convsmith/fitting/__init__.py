"""The whole way: from a request to a trained, tested, exported and verified model in a run's folder."""
