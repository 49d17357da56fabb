"""Readers of images with captions, one for each kind of file."""
