"""What tests of several networks share."""

import jax
import jax.numpy as jnp
import numpy as np


def shapes(model, *input_shape, dtype=jnp.float32):
    """Features and variables of a model as ShapeDtypeStructs; nothing is allocated."""
    return jax.eval_shape(
        lambda x: model.init_with_output(jax.random.key(0), x, train=True),
        jax.ShapeDtypeStruct(input_shape, dtype),
    )


def parameter_count(model, *input_shape):
    """Number of parameters, without running statistics."""
    _, variables = shapes(model, *input_shape)
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def initialised(model, *input_shape):
    """The variables as the model draws them, all in one compiled program."""
    inputs = jnp.zeros(input_shape)
    return jax.jit(lambda key: model.init(key, inputs, train=True))(jax.random.key(0))


def drawn_variables(model, *input_shape, dtype=jnp.float32, seed=0):
    """Variables with no zero and no one among them, which could hide a mistake."""
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        noise = rng.standard_normal(leaf.shape)
        name = path[-1].key
        if name == "kernel":  # keeps the size of what passes through
            noise = noise * np.prod(leaf.shape[:-1]) ** -0.5
        elif name == "scale":
            noise = 1 + 0.2 * noise
        elif name == "var":
            noise = 1 + 0.2 * noise**2
        else:
            noise = 0.2 * noise
        return jnp.asarray(noise, leaf.dtype)

    _, variables = shapes(model, *input_shape, dtype=dtype)
    return jax.tree_util.tree_map_with_path(draw, variables)


def drawn_images(*shape, dtype=jnp.float32, seed=0):
    """Uniform in [0, 1]."""
    return jnp.asarray(np.random.default_rng(seed).uniform(size=shape), dtype)


def loss_of(model, variables, images):
    """Returns params -> (a smooth loss of the features, (features, updated statistics))."""
    statistics = variables.get("batch_stats", {})

    def loss(params):
        features, updated = model.apply(
            {"params": params, "batch_stats": statistics},
            images,
            train=True,
            mutable=["batch_stats"],
        )
        return jnp.sum(jnp.sin(features)), (features, updated)

    return loss


def bytes_kept_for_the_backward_pass(model, variables, images):
    """Size of what the forward pass leaves for the backward pass, parameters included."""
    loss = loss_of(model, variables, images)
    backward = jax.eval_shape(
        lambda params: jax.vjp(loss, params, has_aux=True)[1], variables["params"]
    )
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(backward))
