"""Views of feature vectors, such as the rows of a table."""

import jax
import jax.numpy as jnp

from jcl.augment.views import FEATURES, Views, check_options, two_views
from jcl.config.checks import check_not_negative


def feature_noise(*, noise: float = 0.1, mask: float = 0.2) -> Views:
    """For standardised features: adds Gaussian noise, then masks features by their mean.

    Args:
        noise: standard deviation of the noise, in standard deviations of a feature.
        mask: probability of replacing each feature by 0, its mean.

    Returns:
        A function of keys [B] and features [B, F] that makes views [B, 2, F].
    """
    check_not_negative("views.noise", noise)
    check_options(mask=mask)

    def view(key, features):
        noise_key, mask_key = jax.random.split(key)
        noisy = features + noise * jax.random.normal(noise_key, features.shape, features.dtype)
        hidden = jax.random.bernoulli(mask_key, mask, features.shape)
        return jnp.where(hidden, 0, noisy)

    return two_views(view, name="feature_noise", takes=FEATURES)
