"""The networks of another run, which a method learns from."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from jcl.methods.base import Method, Variables

PyTree = Any


@dataclasses.dataclass(frozen=True)
class Teacher:
    """The networks of another run, which no gradient and no update reaches.

    A method whose constructor has a parameter `teacher` without a default gets one, of the run that
    the section `teacher` of the config names. The method keeps `variables` in its method state, and
    hands them back to `outputs`: the checkpoint then has all that the rest of the run needs.

    Networks that follow those that are trained are no teacher but a copy in the method state.

    Attributes:
        make_method: makes the method of that run, from its config.
        read_variables: reads the checkpoint. Either is called when it is first needed, so features
            can be computed where that run is not at hand.
    """

    make_method: Callable[[], Method]
    read_variables: Callable[[], Variables]

    @functools.cached_property
    def method(self) -> Method:
        """The method of that run; raises UserError where there is no such run."""
        return self.make_method()

    @functools.cached_property
    def variables(self) -> dict[str, PyTree]:
        """What probes of that run see, as NumPy arrays: `params` and `model_state`.

        Its method state, such as queues and tables, is left out.

        Raises:
            UserError: there is no such checkpoint.
        """
        with jax.ensure_compile_time_eval():  # `init` asks for them where JAX traces it
            found = self.read_variables()
            found = {"params": found.params, "model_state": found.model_state}
            return jax.tree.map(np.asarray, found)

    def outputs(
        self, variables: Mapping[str, PyTree], inputs: Mapping[str, PyTree]
    ) -> dict[str, Float[Array, "N ..."]]:
        """What the method of that run makes of inputs (`Method.outputs`), without a gradient.

        Args:
            variables: `variables`, as the method state holds them.
            inputs: kind -> [N, ...], such as one view of each example.
        """
        found = self.method.outputs(Variables(**variables), inputs)
        return jax.lax.stop_gradient(dict(found))
