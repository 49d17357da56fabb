"""Weights under the names of other libraries: tables of names, reading and writing them."""
