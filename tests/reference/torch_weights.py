"""Weights of PyTorch modules in the layout of ours, and the other way about."""

import jax
import jax.numpy as jnp
import numpy as np
import torch


def randomise(model, seed=0):
    """Makes it float64 and draws all it holds anew, so that no zero or one hides a mistake."""
    generator = torch.Generator().manual_seed(seed)
    model.double()
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            if tensor.ndim > 1:
                tensor.copy_(noise / tensor[0].numel() ** 0.5)
            elif name.endswith("running_var"):
                tensor.copy_(1 + 0.2 * noise**2)
            elif name.endswith("weight"):  # the scale of a norm
                tensor.copy_(1 + 0.2 * noise)
            else:
                tensor.copy_(0.2 * noise)


def gradients_in_place_of_weights(model):
    """After `backward`: whatever reads the model's parameters reads their gradients."""
    for parameter in model.parameters():
        parameter.data = parameter.grad


def pixels(images):
    """Images [N, H, W, C] in [0, 1] as our encoders feed them to their first layer, for torch."""
    return torch.from_numpy(np.array(2 * images - 1)).permute(0, 3, 1, 2)


def array(tensor):
    """A copy as a JAX array."""
    return jnp.asarray(tensor.detach().numpy().copy())


def conv(module):
    """Of a convolution without bias; torch orders its kernel (out, in, height, width)."""
    return {"kernel": array(module.weight.permute(2, 3, 1, 0))}


def dense(module):
    """Of a linear layer; torch keeps its kernel transposed."""
    return {"kernel": array(module.weight.T), "bias": array(module.bias)}


def norm(module):
    """Scale and bias of a BatchNorm or LayerNorm."""
    return {"scale": array(module.weight), "bias": array(module.bias)}


def assert_same(ours, theirs, tolerance=1e-9):
    """Same structure, float64, and every leaf the same in proportion to its largest element."""
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(ours), jax.tree.leaves(theirs), strict=True
    ):
        assert a.dtype == b.dtype == np.float64
        # The floor is for what is zero but for rounding: a key's bias has no gradient, for one.
        atol = 1e-12 + tolerance * np.abs(b).max()
        np.testing.assert_allclose(a, b, rtol=0, atol=atol, err_msg=jax.tree_util.keystr(path))
