"""Comparisons with PyTorch, in an environment of their own (`make test-reference`)."""
