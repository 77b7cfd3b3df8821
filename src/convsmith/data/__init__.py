"""Images to train and measure on: opened from many kinds of source, checked, split, and served in batches."""

from convsmith.data.dataset import Dataset, Finding, Images, Split
from convsmith.data.open import open_dataset

__all__ = ["Dataset", "Finding", "Images", "Split", "open_dataset"]
