"""CLIP: images and their texts, each through a tower of its own (Radford et al. 2021)."""

import dataclasses
import math

import jax.numpy as jnp

from jcl.errors import UserError
from jcl.losses import info_nce
from jcl.methods.base import Outcome, Variables
from jcl.methods.parts.diagnostics import two_tower_diagnostics
from jcl.methods.parts.two_towers import TwoTowers

# Limit of the scale that multiplies cosines, 1 / temperature.
_LARGEST_SCALE = 100.0


@dataclasses.dataclass(frozen=True)
class CLIP(TwoTowers):
    """The symmetric loss of two towers (`jcl.losses.info_nce`) with a learned temperature.

    The parameter `log_scale` is log(1 / temperature). It has no weight decay, and after every
    update it is clipped to [0, log 100], before weights are averaged.

    Take it if examples are pairs of an image and a text; methods of two views contrast two views of
    one image. LiT (Zhai et al. 2022, "LiT: Zero-Shot Transfer with Locked-image text Tuning") is
    this method with a frozen image encoder of another run: `init_from` and `optimizer.groups`.

    Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language
    Supervision" (https://arxiv.org/abs/2103.00020), figure 3 and section 2.5.

    Attributes:
        temperature: cosines are divided by it; this is the initial value, from 0.01 to 1, of a
            learned parameter.

    Raises:
        UserError: a temperature outside of the limits, or views of images without texts.
    """

    temperature: float = 0.07

    def __post_init__(self):
        if not 1 / _LARGEST_SCALE <= self.temperature <= 1:
            raise UserError(
                f"method.temperature={self.temperature} is impossible: it is learned, and stays "
                f"between {1 / _LARGEST_SCALE} and 1"
            )

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; views of the kinds "image" and "text"."""
        made = super().init(key, views, data)
        dtype = jnp.promote_types(views["image"].dtype, jnp.float32)  # as the loss
        scale = {"log_scale": jnp.asarray(-math.log(self.temperature), dtype)}
        return made._replace(params=made.params | scale)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`; the metric `temperature` is that of this loss."""
        temperature = jnp.exp(-variables.params["log_scale"])
        image, text = (embeddings[kind] for kind in self.needs)
        loss = info_nce(image, text, temperature=temperature, mesh=mesh)
        metrics = {**two_tower_diagnostics(image, text), "temperature": temperature}
        return Outcome(loss, metrics, {})

    def after_update(self, variables, carry, clock) -> Variables:
        """Clips the scale."""
        scale = jnp.clip(variables.params["log_scale"], 0, math.log(_LARGEST_SCALE))
        return variables._replace(params={**variables.params, "log_scale": scale})
