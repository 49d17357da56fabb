"""A chain of networks that all views pass through: the base of most methods."""

import abc
import dataclasses
import functools
import inspect
import zlib
from collections.abc import Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from jcl.augment.views import SIDE
from jcl.errors import UserError
from jcl.methods.base import Embedded, Outcome, Variables
from jcl.models.feature_map import FeatureMap, has_feature_map

PyTree = Any
Networks = Mapping[str, nn.Module]

# Inputs of a chain: views of these kinds, and of kinds that begin with these, such as
# "image_small".
_INPUTS = ("image", "features", "video")


def init_chain(key: PRNGKeyArray, networks: Networks, views: Mapping[str, PyTree]) -> Variables:
    """Makes the parameters and statistics of each network, under its name.

    Args:
        key: of the parameters.
        networks: in the order in which views pass through them.
        views: kind -> leaves [B, V, ...]; the first kind sets the input shape of the first network.
    """
    x, variables = _as_rows(next(iter(_seen(views).values()))), {}
    keys = jax.random.split(key, len(networks))
    for key, (name, module) in zip(keys, networks.items(), strict=True):
        x, variables[name] = module.init_with_output(key, x, train=True)
    return Variables(
        params={name: v["params"] for name, v in variables.items()},
        model_state={name: v.get("batch_stats", {}) for name, v in variables.items()},
    )


def embed_chain(
    networks: Networks,
    params: PyTree,
    model_state: PyTree,
    views: Mapping[str, PyTree],
    keys: Shaped[PRNGKeyArray, " B"] | None,
) -> tuple[dict[str, Float[Array, "B V ..."]], dict[str, PyTree]]:
    """Passes all views through all networks, in training mode.

    The first network is called once for each kind of views, because kinds may differ in size. The
    others are called once for all views together, in the order of the kinds. With one call per
    view, each view would have its own BatchNorm statistics, which would reveal the view.

    Args:
        networks: in order.
        params: of each network, by its name; there may be more.
        model_state: of each network, by its name.
        views: kind -> leaves [B, V, ...]; "side" is ignored.
        keys: one per example, for networks whose call takes `keys`; with None these use no random
            numbers.

    Returns:
        The output of each network [B, V, ...], by its name, and each network's new statistics.
    """
    kinds = list(_seen(views).values())
    counts = [jax.tree.leaves(kind)[0].shape[1] for kind in kinds]
    outputs, new_state = {}, {}
    for position, (name, module) in enumerate(networks.items()):
        state, found, first = model_state[name], [], 0
        for kind, count in zip(kinds, counts, strict=True):
            of_rows = _row_keys(module, name, keys, first, count)
            found_rows, state = _apply(module, params[name], state, _as_rows(kind), of_rows)
            found.append(found_rows.reshape(-1, count, *found_rows.shape[1:]))
            first += count
        new_state[name] = state
        outputs[name] = found[0] if len(found) == 1 else jnp.concatenate(found, axis=1)
        if position == 0:
            counts = [sum(counts)]
        kinds = [outputs[name]]
    return outputs, new_state


def infer_chain(
    networks: Networks, params: PyTree, model_state: PyTree, inputs: PyTree
) -> dict[str, Float[Array, "N ..."]]:
    """The output of each network for inputs [N, ...], by its name, with frozen statistics."""
    outputs, x = {}, inputs
    for name, module in networks.items():
        variables = {"params": params[name], "batch_stats": model_state[name]}
        x = outputs[name] = module.apply(variables, x, train=False)
    return outputs


def infer_map(
    encoder: nn.Module, variables: Variables, inputs: Float[Array, "N ..."]
) -> dict[str, Float[Array, "N h w D"]]:
    """`map`, the feature map whose mean is `features`; empty if the encoder has none."""
    if not has_feature_map(encoder):
        return {}
    return {"map": infer_chain({"encoder": FeatureMap(encoder)}, *variables[:2], inputs)["encoder"]}


def input_of(inputs: Mapping[str, jax.Array]) -> jax.Array:
    """The images of examples, or their feature vectors or videos if they have no images."""
    for kind in _INPUTS:
        if kind in inputs:
            return inputs[kind]
    raise UserError(f"examples have {', '.join(inputs)}, but networks need {' or '.join(_INPUTS)}")


def views_of_inputs(views: Mapping[str, PyTree]) -> dict[str, PyTree]:
    """The views of images, feature vectors or videos, of all sizes; not those of texts.

    Raises:
        UserError: there are none.
    """
    found = {kind: tree for kind, tree in views.items() if kind.split("_")[0] in _INPUTS}
    if not found:
        raise UserError(
            f"the encoder takes views of {' or '.join(_INPUTS)}, but the recipe of views "
            f"(views.name) makes {', '.join(views)}"
        )
    return found


@dataclasses.dataclass(frozen=True)
class Chain(abc.ABC):
    """An encoder and further networks, through which all views pass; a subclass adds the latter.

    Attributes:
        encoder: maps images [N, H, W, C], vectors [N, F] or clips [N, T, H, W, C] to features
            [N, D].
    """

    encoder: nn.Module

    instead: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self):  # noqa: B027  most classes have no options
        """Checks nothing; classes with options check these, and call this method."""

    @property
    def needs(self) -> tuple[str, ...]:
        """See `Method`: nothing besides the inputs of the views."""
        return ()

    @property
    @abc.abstractmethod
    def networks(self) -> Networks:
        """The networks in the order in which views pass through them, by parameter name."""

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; views [B, V, ...] of any kinds."""
        del data
        return init_chain(key, self.networks, views_of_inputs(views))

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`; the embeddings are the output of the last network [B, V, d]."""
        params, model_state, _ = variables
        views = views_of_inputs(views)
        outputs, new_state = embed_chain(self.networks, params, model_state, views, keys)
        return Embedded(list(outputs.values())[-1], {}, {**model_state, **new_state})

    @abc.abstractmethod
    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`; embeddings [B, V, d], raw."""

    def after_update(self, variables, carry, clock) -> Variables:
        """Changes nothing: there is only the optimizer's update."""
        del carry, clock
        return variables

    def outputs(self, variables, inputs) -> dict[str, Float[Array, "N ..."]]:
        """`features` [N, D]: the encoder's output with BatchNorm in inference mode; `map`."""
        found = self.infer(variables, inputs, "encoder")
        return {"features": found["encoder"], **self.map_of(variables, inputs)}

    def map_of(self, variables, inputs) -> dict[str, Float[Array, "N h w D"]]:
        """See `infer_map`."""
        return infer_map(self.encoder, variables, input_of(inputs))

    def infer(self, variables, inputs, *names: str) -> dict[str, Float[Array, "N ..."]]:
        """The outputs of the networks of these names, in their order, for inputs of examples."""
        networks = {name: self.networks[name] for name in names}
        return infer_chain(networks, variables.params, variables.model_state, input_of(inputs))


def _apply(module, params, state, x, keys):
    given = {} if keys is None else {"keys": keys}
    variables = {"params": params, "batch_stats": state}
    x, updated = module.apply(variables, x, train=True, mutable=["batch_stats"], **given)
    return x, updated.get("batch_stats", {})


def _row_keys(module, name: str, keys, first: int, count: int):
    """One key per row for a network that takes keys: from its name, the example and the view."""
    if keys is None or "keys" not in inspect.signature(type(module).__call__).parameters:
        return None
    views = jnp.arange(first, first + count, dtype=jnp.uint32)
    of_network = jax.vmap(functools.partial(jax.random.fold_in, data=zlib.crc32(name.encode())))
    of_views = jax.vmap(jax.vmap(jax.random.fold_in, (None, 0)), (0, None))
    return of_views(of_network(keys), views).reshape(-1)


def _seen(views: Mapping[str, PyTree]) -> dict[str, PyTree]:
    return {kind: tree for kind, tree in views.items() if kind != SIDE}


def _as_rows(tree: PyTree) -> PyTree:
    # Example-major, so that every row of a sharded batch stays on its device.
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), tree)
