"""Texts that are strings: tokenizers, and sources that replace strings by token ids."""
