"""Images with captions, out of the kinds of files that they come in."""
