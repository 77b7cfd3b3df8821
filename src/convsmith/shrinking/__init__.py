"""The driver of compression: a model, its data and a target -> the steps that reach it, each one measured."""
