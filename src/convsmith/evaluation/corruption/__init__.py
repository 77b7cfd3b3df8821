"""Robustness: a model on pictures that noise, blur, weather and compression have spoiled."""
