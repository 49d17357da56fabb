"""Hidden patches: how many, where, and of which views."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.methods.parts.hidden_patches import hide_patches


def test_a_share_of_the_patches_is_gray_in_each_view_another():
    keys = jax.random.split(jax.random.key(0), 3)
    images = jnp.ones((3, 2, 8, 10, 3))
    found = jax.jit(lambda *x: hide_patches({"image": x[0]}, x[1], share=0.3, size=4))
    hidden = np.asarray(found(images, keys)["image"])
    assert set(np.unique(hidden).tolist()) == {0.5, 1.0}
    np.testing.assert_array_equal(hidden.min(-1), hidden.max(-1))
    # 2 x 3 patches, of which the last column is cut off; 30% of six are two.
    patches = hidden[:, :, ::4, ::4, 0]
    assert patches.shape == (3, 2, 2, 3)
    np.testing.assert_array_equal((patches == 0.5).sum((2, 3)), 2)
    whole = patches.repeat(4, axis=2).repeat(4, axis=3)[..., :10]
    np.testing.assert_array_equal(hidden[..., 0], whole)
    assert len(np.unique(patches.reshape(6, -1), axis=0)) > 2
    # An example's patches are its own, whatever stands beside it.
    alone = np.asarray(found(images[1:2], keys[1:2])["image"])
    np.testing.assert_array_equal(alone[0], hidden[1])


def test_vectors_have_no_patches():
    keys = jax.random.split(jax.random.key(0), 1)
    with pytest.raises(UserError, match=r"method.mask_share=0.3 hides patches .* set it to 0"):
        hide_patches({"features": jnp.ones((1, 2, 5))}, keys, share=0.3, size=4)
