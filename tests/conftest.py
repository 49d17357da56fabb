"""Settings every test shares: eight virtual CPU devices, shapes checked at run time."""

import os

os.environ["JAX_PLATFORMS"] = os.environ.get("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "8")

from jaxtyping import install_import_hook

# Every jaxtyping annotation in jcl becomes a check of shape and dtype at each call.
install_import_hook("jcl", "beartype.beartype")

from jcl import runtime  # noqa: E402  # not before the hook

runtime.configure("float32")  # as a binary does, for the tests that train in this process
