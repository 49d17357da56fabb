"""Text that is strings: tokenizers, and sources that hand out token ids in their place."""
