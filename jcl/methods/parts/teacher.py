"""A teacher: the networks of another run, which a method learns from."""

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
    """The networks of another run; they get no gradient and no updates.

    A method whose constructor has a parameter `teacher` without a default gets the networks of the
    run in the section `teacher` of the config. The method keeps `variables` in its method state and
    passes them to `outputs`. So its checkpoints contain everything that the rest of the run needs.
    Momentum copies of trained networks are not a teacher; they are part of the method state.

    Attributes:
        make_method: makes the method of that run, from its config.
        read_variables: reads the checkpoint. Both are called when they are first needed, so
            features can be computed without the other run.
    """

    make_method: Callable[[], Method]
    read_variables: Callable[[], Variables]

    @functools.cached_property
    def method(self) -> Method:
        """The method of that run; raises UserError if there is no such run."""
        return self.make_method()

    @functools.cached_property
    def variables(self) -> dict[str, PyTree]:
        """The variables that probes of that run use, as NumPy arrays: `params`, `model_state`.

        Its method state, such as queues and tables, is left out.

        Raises:
            UserError: there is no such checkpoint.
        """
        with jax.ensure_compile_time_eval():  # JAX may trace `init`, which asks for them
            found = self.read_variables()
            found = {"params": found.params, "model_state": found.model_state}
            return jax.tree.map(np.asarray, found)

    def outputs(
        self, variables: Mapping[str, PyTree], inputs: Mapping[str, PyTree]
    ) -> dict[str, Float[Array, "N ..."]]:
        """The outputs of that run's method (`Method.outputs`), without a gradient.

        Args:
            variables: from the property `variables`, as kept in the method state.
            inputs: kind -> [N, ...], such as one view of each example.
        """
        found = self.method.outputs(Variables(**variables), inputs)
        return jax.lax.stop_gradient(dict(found))
