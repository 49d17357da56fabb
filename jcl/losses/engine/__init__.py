"""The pairwise engine: exact losses of a global batch in linear memory."""
