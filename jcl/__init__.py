"""jcl: large-batch contrastive pretraining in JAX, exact over the global batch."""

__all__ = ["__version__", "load"]

__version__ = "0.1.0"


def __getattr__(name: str):
    # Imported lazily, so that a binary can still choose JAX's settings after importing jcl.
    if name == "load":
        try:
            from jcl.evaluation.load import load
        except ModuleNotFoundError as error:
            raise ImportError(
                f"jcl.load needs more than the losses' core ({error}): install '.[train]'"
            ) from error
        return load
    raise AttributeError(f"module 'jcl' has no attribute {name!r}")
