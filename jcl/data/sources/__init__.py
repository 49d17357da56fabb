"""Sources of examples: generated datasets, folders, archives, TFDS."""
