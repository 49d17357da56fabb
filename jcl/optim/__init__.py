"""Schedules, optimizers, and patterns of parameter names."""
