"""PixPro: cells of two views' feature maps that show the same place agree (Xie et al. 2021)."""

import dataclasses
import functools
from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jcl.augment.boxes import cell_places
from jcl.augment.views import SIDE
from jcl.config.checks import check_positive
from jcl.errors import UserError
from jcl.losses import unit_rows
from jcl.methods.base import Embedded, Outcome, Variables
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.momentum import MOMENTUM, Momentum
from jcl.methods.parts.predictor import Predicted
from jcl.methods.parts.two_view import pair_of
from jcl.models.feature_map import FeatureMap, has_feature_map

# GPUs and TPUs would otherwise round float32 operands.
_products = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
_PLACE = ("box", "flip", "turns")  # keys by which `jcl.augment.boxes` describes a view's position


@dataclasses.dataclass(frozen=True)
class PixPro(Momentum, Predicted):
    """Cells of two views that show the same place are positives; each is smoothed within its view.

    Take it for features of places, as detection and segmentation use them; SimCLR and BYOL compare
    whole images. There are no negatives, so the loss of an example does not depend on others, and
    the batch may be small. Projector and predictor work on each cell separately, like 1x1
    convolutions. Keys come from momentum copies of encoder and projector. The predictor is the
    function g of `propagate`, one layer in the paper (`predictor.layers=1`). Its output predicts a
    projection only after it was propagated.

    It needs an encoder with a feature map, and a recipe of views that returns their positions:
    `views.name="byol_boxes"`, or "shapes_boxes" for the generated shapes.

    Formula: -2 mean_i mean_{(a, b) in P(i)} [cos(y_ia0, k_ib1) + cos(k_ia0, y_ib1)], y_a = sum_c
    max(cos(x_a, x_c), 0)^power g(x_c), P(i) near cells of the two views

    Reading: the paper's second branch, which compares whole images, is left out. The released code
    scales the values g to norm one; here they are not scaled.

    Attributes:
        decay: of the moving average in the first step; 0.99 in the paper.
        decay_end: the decay at the end of the run; a cosine leads to it.
        power: p, exponent of the similarities in `propagate`; at least 1.
        distance: the centres of a positive pair of cells are closer than this, in units of the
            diagonal of the larger cell.

    Source: Xie et al. 2021, "Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised
    Visual Representation Learning" (https://arxiv.org/abs/2011.10043), Eq. 1, 3, 4 and 5. The loss
    is doubled, as in the code released with it.
    """

    decay_end: float = 1.0
    power: float = 2.0
    distance: float = 0.7

    def __post_init__(self):
        super().__post_init__()
        check_positive("method.distance", self.distance)
        if not 1 <= self.power < float("inf"):
            raise UserError(
                f"method.power={self.power} is impossible: it must be 1 or more, because the "
                "gradient of a smaller power is infinite"
            )
        if not has_feature_map(self.encoder):
            raise UserError(
                "method.name='pixpro' compares cells of feature maps, but the encoder "
                f"{type(self.encoder).__name__} has none; take encoder.name='convnet' or a ResNet"
            )

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The encoder, which returns its feature map; projector and predictor for each cell."""
        return {**super().networks, "encoder": FeatureMap(self.encoder)}

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; the parameters are the same as in other methods."""
        _check_places(views)
        return super().init(key, views, data)

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`; the loss of each example, and values for diagnostics.

        These are `loss` [B]; `overlap` [B], 1 if an example's views have a positive pair of cells
        and 0 otherwise; and `projection` [B, 2, d], the mean over cells of the unit projections.
        """
        _check_places(views)
        found = super().embed(variables, views, keys)
        online, copied = found.embeddings["online"], found.embeddings[MOMENTUM]
        x, targets = unit_rows(_cells(online["projection"])), unit_rows(_cells(copied))
        projection = x.mean(2)
        pair_of(projection)  # refuses more views, which the code below would not detect
        place = (views[SIDE][name] for name in _PLACE)
        centres, diagonal = cell_places(*place, *copied.shape[2:4])
        positive = positive_cells(centres, diagonal, self.distance)
        y = unit_rows(propagate(x, _cells(online["prediction"]), self.power))
        loss = cell_consistency(y, targets, positive)
        overlap = positive.any((1, 2)).astype(loss.dtype)
        embeddings = {"loss": loss, "overlap": overlap, "projection": projection}
        return found._replace(embeddings=embeddings)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """The mean of the examples' losses.

        The metric `overlap` is the share of examples whose views have a positive pair of cells.
        """
        metrics = {
            **two_view_diagnostics(*pair_of(embeddings["projection"])),
            "overlap": embeddings["overlap"].mean(),
            "decay": 1 - self.share(clock),
        }
        return Outcome(embeddings["loss"].mean(), metrics, {})

    def outputs_of_networks(self, variables, inputs) -> dict[str, Float[Array, "N ..."]]:
        """`map` [N, h, w, D], its mean over cells `features`, and `projection` [N, d].

        The projection is the mean over cells of the unit rows that the loss compares.
        """
        cells, projection = self.features_and_projection(variables, inputs)
        projection = unit_rows(projection).mean((1, 2))
        return {"features": cells.mean((1, 2)), "map": cells, "projection": projection}


def propagate(
    x: Float[Array, "*views cells d"], g: Float[Array, "*views cells e"], power: float
) -> Float[Array, "*views cells e"]:
    """y_i = sum_j max(x_i . x_j, 0)^p g_j over the cells of a view.

    Args:
        x: unit rows.
        g: the values that are propagated.
        power: p, at least 1.

    Source: Xie et al. 2021, Eq. 3 and 4.
    """
    similarity = jax.nn.relu(_products("...id,...jd->...ij", x, x)) ** power
    return _products("...ij,...je->...ie", similarity, g.astype(x.dtype))


def positive_cells(
    centres: Float[Array, "B 2 cells 2"], diagonal: Float[Array, "B 2"], distance: float
) -> Bool[Array, "B cells cells"]:
    """A mask of the pairs of cells, of view 0 (rows) and view 1, that show the same place.

    Args:
        centres: of cells, in the coordinates of the image.
        diagonal: of a cell of each view, in the coordinates of the image.
        distance: the centres of a pair are closer than this times the larger diagonal.

    Source: Xie et al. 2021, Eq. 1.
    """
    apart = jnp.linalg.norm(centres[:, 0, :, None] - centres[:, 1, None, :], axis=-1)
    return apart < distance * diagonal.max(1)[:, None, None]


def cell_consistency(
    y: Float[Array, "B 2 cells d"],
    keys: Float[Array, "B 2 cells d"],
    positive: Bool[Array, "B cells cells"],
) -> Float[Array, " B"]:
    """-2 times the mean cosine of an example's positive pairs, summed over both directions.

    An example without a positive pair has 0.

    Args:
        y: unit rows of both views; each is compared with keys of the other view.
        keys: unit rows of both views.
        positive: from `positive_cells`.

    Source: Xie et al. 2021, Eq. 5, doubled as in the code released with it.
    """
    cosines = _products("bid,bjd->bij", y[:, 0], keys[:, 1])
    cosines += _products("bid,bjd->bij", keys[:, 0], y[:, 1])
    count = jnp.maximum(positive.sum((1, 2)), 1)
    return -2 * jnp.where(positive, cosines, 0).sum((1, 2)) / count


def _cells(maps: Float[Array, "B V h w d"]) -> Float[Array, "B V cells d"]:
    """The cells of a map as one axis, row by row."""
    return maps.reshape(*maps.shape[:2], -1, maps.shape[-1])


def _check_places(views) -> None:
    if not {*_PLACE} <= {*views.get(SIDE, {})}:
        raise UserError(
            "method.name='pixpro' needs the position of views in the image, which the recipe of "
            "views (views.name) does not give; take views.name='byol_boxes', or 'shapes_boxes' for "
            "shapes"
        )
