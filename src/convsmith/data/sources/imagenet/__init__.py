"""ImageNet as it is distributed: archives, and the labels of its validation images."""
