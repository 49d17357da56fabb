"""Evaluation of trained networks: features, heads, fine-tuning, results."""
