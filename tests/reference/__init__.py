"""Comparisons with PyTorch, where it is installed (`make test-reference` does that)."""
