"""ConR, the contrastive regulariser for imbalanced regression.

Inputs: two views of every example, targets, predictions
Formula: mean_i w_i [log D_i - mean_{j in P(i)} s(f_i, f_j)], 0 without negatives; P(i) have near
  targets, negatives in D_i near predictions and far targets
Cost: 8 M^2 d, M = 2B
Neighbours: Equals `supcon` if only equal targets lie within the window, all predictions are near,
  and `push` is 0. Used together with a regression loss.
"""

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jax.nn import logsumexp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from jcl.losses.engine.door import check_arguments
from jcl.losses.engine.paired_batch import anchors_of_views
from jcl.losses.engine.pairwise import inner_products, map_rows


def conr(
    f0: Float[Array, "B d"],
    f1: Float[Array, "B d"],
    targets: Real[Array, " B"],
    predictions: Real[Array, " B"],
    *,
    temperature: Real[ArrayLike, ""] = 0.07,
    window: Real[ArrayLike, ""] = 1.0,
    push: Real[ArrayLike, ""] = 0.01,
    weights: Real[Array, " B"] | None = None,
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Pushes apart examples that have near predictions but far targets.

    With `f` the 2B unit-normalised features, `y` their targets, `p` their predictions, `w` their
    weights and `s` the inner product divided by the temperature::

        P(i) = {j != i: |y_i - y_j| <= window}
        Q(i) = {j: |y_i - y_j| > window and |p_i - p_j| <= window}
        D_i  = sum_{j in P(i)} exp s(f_i, f_j)
               + sum_{j in Q(i)} w_i exp(push |y_i - y_j|) exp s(f_i, f_j)
        l_i  = w_i (log D_i - mean_{j in P(i)} s(f_i, f_j)),   0 where Q(i) is empty

    The other view of anchor i is in `P(i)`. Gradients flow through anchors and keys. No gradient
    reaches targets, predictions and weights.

    The loss is added to a regression loss; the paper multiplies it by 4. Take `supcon` for labels
    that are only equal or different: with one prediction for all examples, no push and a window
    that holds only equal targets, ConR is `supcon` if every anchor has a negative. Take
    `rank_n_contrast` or `supremix` if the order of targets alone should shape the features.

    Args:
        f0: first view of every example, raw features `[B, d]`.
        f1: second view, in the same order.
        targets: `[B]`, of both views.
        predictions: `[B]`, of both views, the network's predictions of the targets.
        temperature: see `jcl.losses`.
        window: largest distance, inclusive, at which targets or predictions count as near; 0 or
            more.
        push: growth rate of a negative's weight with the distance of the targets.
        weights: `[B]`, of both views, 0 or more, such as the inverse density of the targets; None
            for ones.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Mean of `l_i` over the 2B anchors, those without negatives too; 0 where B is 1.

    Raises:
        UserError: see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import conr
        >>> f = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> targets, predictions = jnp.array([20, 22]), jnp.array([21.0, 21.5])
        >>> round(float(conr(f, f, targets, predictions, temperature=1, push=0)), 4)  # log(1 + 2/e)
        0.5514

    References:
        Keramati et al., "ConR: Contrastive Regularizer for Deep Imbalanced Regression", ICLR 2024
        (https://arxiv.org/abs/2309.06651). The authors' code also adds 1 to the first sum of `D_i`
        for every embedding that is not a positive, and returns NaN if an anchor has no positive.
    """
    features = {"f0": (f0, "float [B, d]"), "f1": (f1, "float [B, d]")}
    beside = {"targets": (targets, "real [B]"), "predictions": (predictions, "real [B]")}
    if weights is not None:
        beside["weights"] = (weights, "real [B]")
    scalars = {
        "temperature": (temperature, "positive"),
        "window": (window, "non-negative"),
        "push": (push, "finite"),
    }
    check_arguments("conr", mesh, **features, **beside, **scalars)
    f, _, temperature = anchors_of_views(f0, f1, temperature)
    # Targets and predictions are compared in the precision in which they are given.
    targets, predictions = (
        stop_gradient(jnp.repeat(x.astype(jnp.float64 if x.dtype == jnp.float64 else f.dtype), 2))
        for x in (targets, predictions)
    )
    weights = jnp.ones(len(f0), f.dtype) if weights is None else weights
    weights = stop_gradient(jnp.repeat(weights.astype(f.dtype), 2))
    losses = map_rows(
        _anchor_loss,
        (f, targets, predictions, weights),
        (f, targets, predictions),
        (temperature, jnp.asarray(window), jnp.asarray(push, f.dtype)),
        mesh=mesh,
        block_size=block_size,
    )
    return jnp.mean(losses)


def _anchor_loss(
    index: Int[Array, ""],
    anchor: tuple[Float[Array, " d"], Float[Array, ""], Float[Array, ""], Float[Array, ""]],
    keys: tuple[Float[Array, "keys d"], Float[Array, " keys"], Float[Array, " keys"]],
    scalars: tuple[Float[Array, ""], Real[Array, ""], Float[Array, ""]],
) -> Float[Array, ""]:
    (f, target, prediction, weight), (fs, targets, predictions) = anchor, keys
    temperature, window, push = scalars

    def is_near(x, xs):
        return jnp.abs(xs - x) <= window.astype(xs.dtype)

    logits = inner_products(f, fs) / temperature
    is_positive = is_near(target, targets) & (jnp.arange(len(fs)) != index)
    # The loss of an anchor of weight 0 is 0, like that of an anchor without negatives. So the
    # logarithm of the weight 0 gets no gradient.
    is_negative = ~is_near(target, targets) & is_near(prediction, predictions) & (weight > 0)
    pushed = logits + jnp.log(weight) + push * jnp.abs(targets - target).astype(f.dtype)
    positives = logsumexp(jnp.where(is_positive, logits, -jnp.inf))
    negatives = logsumexp(jnp.where(is_negative, pushed, -jnp.inf))
    mean_positive = jnp.mean(logits, where=is_positive)
    # log D is `positives` plus the softplus. Computed separately, near views cause no cancellation.
    loss = positives - mean_positive + jax.nn.softplus(negatives - positives)
    return jnp.where(jnp.any(is_negative), weight * loss, 0)
