"""DirectPred: BYOL with a linear predictor that is computed, not trained (Tian et al. 2021)."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jcl.config.checks import check_count, check_decay, check_not_negative
from jcl.methods.base import Outcome, Variables
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.momentum import Momentum
from jcl.methods.parts.swapped import swapped_cosine
from jcl.methods.parts.two_view import TwoViewNetworks, pair_of

_HIGHEST = jax.lax.Precision.HIGHEST  # GPUs and TPUs would round float32 operands


@dataclasses.dataclass(frozen=True)
class DirectPred(Momentum, TwoViewNetworks):
    """BYOL whose predictor is a function of the projections' correlation.

    Take it instead of BYOL to avoid training a predictor and choosing its settings, or to study
    what a predictor does. It decomposes a matrix [d, d] every few steps, so d, the projector's
    `output_dim`, should be at most some hundreds.

    The method's state is `correlation`, the moving average F [d, d] of f f' over the rows f of both
    views of the global batch, and `predictor`, W [d, d], which gets no gradient. A step predicts
    with the W from earlier batches, the first step with the identity. Rows f are the projector's
    raw output, neither centred nor scaled to norm one, as is the released code's default. W does
    not change if F is multiplied by a number.

    The metric `correlation_dimensions`, (tr C)^2 / |C|^2 of the batch's correlation C, is the
    number of dimensions in which projections vary. In a collapse to a line or a point it falls to
    1, and `embedding_spread` falls to 0.

    Formula: 4 - 2 mean_i [cos(W f_i0, f'_i1) + cos(W f_i1, f'_i0)], W = U diag(sqrt(s / max s) +
    epsilon) U' of the projections' correlation F = U diag(s) U'

    Attributes:
        decay: of the moving average of the networks in the first step.
        decay_end: the decay at the end of the run; a cosine leads to it. The value of `decay` keeps
            it constant, as in the released code.
        correlation_decay: of the moving average F, rho in the paper.
        epsilon: added to every eigenvalue of W, so that the largest is 1 + epsilon. With a huge
            epsilon W is the identity up to a factor, which does not change cosines: no predictor.
        floor: smallest eigenvalue of W; it has an effect only if it is larger than epsilon.
        every_steps: number of steps between two computations of W; F is updated in every step.

    Source: Tian, Chen & Ganguli 2021, "Understanding Self-Supervised Learning Dynamics without
    Contrastive Pairs" (https://arxiv.org/abs/2102.06810), Eq. 18 and 19; `floor` is from the code
    released with it.
    """

    decay: float = 0.996
    decay_end: float = 1.0
    correlation_decay: float = 0.3
    epsilon: float = 0.01
    floor: float = 1e-4
    every_steps: int = 1

    def __post_init__(self):
        super().__post_init__()
        check_decay("method.correlation_decay", self.correlation_decay)
        check_not_negative("method.epsilon", self.epsilon)
        check_not_negative("method.floor", self.floor)
        check_count("method.every_steps", self.every_steps)

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; F is zero and W the identity."""
        made = super().init(key, views, data)
        width = jax.eval_shape(lambda: self.embed(made, views, None)).embeddings["online"].shape[-1]
        dtype = jnp.promote_types(jax.tree.leaves(views)[0].dtype, jnp.float32)
        begun = {
            "correlation": jnp.zeros((width, width), dtype),
            "predictor": jnp.eye(width, dtype=dtype),
        }
        return made._replace(method_state={**made.method_state, **begun})

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """(2 - 2 cos(W f of view 0, momentum projection of view 1)) + the reverse."""
        predictor = variables.method_state["predictor"]
        projections = embeddings["online"].astype(predictor.dtype)
        predictions = jnp.matmul(projections, predictor, precision=_HIGHEST)
        agreement = swapped_cosine(predictions, embeddings["momentum"])
        found = correlation(projections)
        metrics = {
            **two_view_diagnostics(*pair_of(projections)),
            "correlation_dimensions": dimensions(found),
            "decay": 1 - self.share(clock),
        }
        return Outcome(4 - 4 * agreement, metrics, {"correlation": found})

    def after_update(self, variables, carry, clock) -> Variables:
        """Updates the copies, and F by the batch's correlation; computes W from F."""
        variables = super().after_update(variables, carry, clock)
        state, found, decay = variables.method_state, carry["correlation"], self.correlation_decay
        average = decay * state["correlation"] + (1 - decay) * found
        # Before the first batch there is no average.
        average = jnp.where(clock.step == 0, found, average)
        predictor = jax.lax.cond(
            clock.step % self.every_steps == 0,
            lambda: predictor_of(average, epsilon=self.epsilon, floor=self.floor),
            lambda: state["predictor"],
        )
        new = {"correlation": average, "predictor": predictor}
        return variables._replace(method_state={**state, **new})


def correlation(rows: Float[Array, "*batch d"]) -> Float[Array, "d d"]:
    """The mean of f f' over rows f, uncentred."""
    rows = rows.reshape(-1, rows.shape[-1])
    return jnp.matmul(rows.T, rows, precision=_HIGHEST) / len(rows)


def predictor_of(
    correlation: Float[Array, "d d"], *, epsilon: float, floor: float
) -> Float[Array, "d d"]:
    """The predictor with the eigenvectors of a correlation and the roots of its scaled eigenvalues.

    With F = U diag(s) U', it is W = U diag(p) U' with p = max(sqrt(max(s, 0) / max s) + epsilon,
    floor). W depends only on F and not on the basis U that a solver returns: the signs and the
    order of eigenvectors cancel, and so does the choice of a basis for equal eigenvalues, because
    their p are equal. The square root turns a rounding error of size e of an eigenvalue near zero
    into one of size sqrt(e).

    Args:
        correlation: F, symmetric, float32 or float64; for F = 0 all roots are 0.
        epsilon: added to the square roots.
        floor: of p.

    Source: Tian et al. 2021, Eq. 18.
    """
    values, vectors = jnp.linalg.eigh(correlation)
    largest = values[-1]
    shares = jnp.maximum(values, 0) / jnp.where(largest > 0, largest, 1)
    scales = jnp.maximum(jnp.sqrt(shares) + epsilon, floor)
    return jnp.matmul(vectors * scales, vectors.T, precision=_HIGHEST)


def dimensions(correlation: Float[Array, "d d"]) -> Float[Array, ""]:
    """The participation ratio of a correlation's eigenvalues, in [1, d]; 0 for the zero matrix."""
    squares = jnp.square(correlation).sum()
    return jnp.square(jnp.trace(correlation)) / jnp.where(squares > 0, squares, 1)
