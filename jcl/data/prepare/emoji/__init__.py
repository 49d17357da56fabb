"""Emoji: the same symbols in several styles of drawing, with their names and keywords."""
