"""WordNet's nouns as a hierarchy: what a class is a kind of, and how far apart two classes are."""

from convsmith.wordnet.database import installed, read_database
from convsmith.wordnet.hierarchy import Hierarchy, Synset
from convsmith.wordnet.shipped import shipped
from convsmith.wordnet.words import Meanings, synsets_of

__all__ = ["Hierarchy", "Meanings", "Synset", "installed", "read_database", "shipped", "synsets_of"]
