"""A classifier whose classes are nouns, measured by WordNet."""
