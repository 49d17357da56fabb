"""The cosine of each view's prediction with the other view's target, without negatives."""

import jax
from jaxtyping import Array, Float

from jcl.losses import unit_rows
from jcl.methods.parts.two_view import pair_of


def swapped_cosine(
    predictions: Float[Array, "B V d"], targets: Float[Array, "B V d"]
) -> Float[Array, ""]:
    """Mean cosine of predictions of one view and targets of the other, over both directions.

    A constant embedding gives the optimum, 1. Two things keep a method from this collapse: its
    predictor, and that targets get no gradient.

    Args:
        predictions: of the two views of each example, raw, of any float dtype.
        targets: of the two views, raw; they get no gradient.

    Returns:
        A number in [-1, 1]; float64 if the arrays are float64, otherwise float32.

    Raises:
        UserError: there are not exactly two views.

    Source: Grill et al. 2020 (BYOL), Eq. 2; Chen & He 2021 (SimSiam), Eq. 1 and 2.
    """
    p0, p1 = pair_of(unit_rows(predictions))
    t0, t1 = pair_of(jax.lax.stop_gradient(unit_rows(targets)))
    return ((p0 * t1).sum(-1) + (p1 * t0).sum(-1)).mean() / 2
