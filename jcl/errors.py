"""The exception for errors that the user can correct."""


class UserError(ValueError):
    """An error that the user can correct: what was given and what is allowed, in one sentence.

    Raised for bad input of any kind (a config key, a dataset, a workdir). The
    binaries print the sentence to stderr and exit with status 2, without a
    traceback; from Python it is an ordinary `ValueError`.
    """
