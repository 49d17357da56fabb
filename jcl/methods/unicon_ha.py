"""UniCon-HA: inliers are one class, and each rotated image is a class of its own (Wang 2023)."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from jcl.augment.turned import TURNS, VIEWS_A_STAGE, VIEWS_A_TURN
from jcl.augment.views import IMAGES
from jcl.config.checks import check_count, check_positive
from jcl.errors import UserError
from jcl.losses import soft_aggregation, supcon
from jcl.methods.base import Embedded, Outcome, Variables
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.two_view import CosineContrast
from jcl.models.feature_map import has_stages
from jcl.models.stage_head import StageHead


@dataclasses.dataclass(frozen=True)
class UniConHA(CosineContrast):
    """SupCon for data without outliers: inliers are one class, rotated images serve as outliers.

    Take it to detect outliers after training on inliers alone, of things with an upright pose.
    SimCLR on the same images pushes inliers apart, and SupCon has no outliers.

    `views.name="turned"` makes two views of an example at each of four rotations. All upright views
    are positives of each other. The only positive of a rotated view is its own second view. All
    other pairs are negatives. This is `jcl.losses.supcon` with one label for all inliers and a
    separate label for every rotated example. In the last stage, positives are weighted by how near
    they are to the other inliers (`jcl.losses.soft_aggregation`, which also explains where our
    reading of Eq. 6 differs from print).

    Inner stages of the encoder get views with weaker augmentation, and have the same loss with
    heads of their own. The loss is the mean over the stages. Each inner stage needs its own pass
    through the encoder's first stages. The encoder must have stages: a ConvNet or a ResNet.

    Formula: mean over stages of `supcon` of eight views, with one label for all upright views and
    one for each rotated example; in the last stage `soft_aggregation`

    Reading: Eq. 6 with its weights outside of the logarithm; the stages' weights and strengths,
    which stand in a supplement that we have not seen.

    Attributes:
        temperature: cosines are divided by it; 0.5 in the paper.
        weighted: whether the last stage weighs positives by their similarity, as in the paper, or
            all of them equally.
        weight_temperature: cosines are divided by it in those weights; 0.5 in the paper.
        labelled: whether only inliers of the same label are positives; False uses no labels.
        stages: number of the encoder's last stages that have a loss; `views.stages` must be equal.
            All four of a ResNet in the paper. 1 uses only the projector's output.

    Source: Wang et al. 2023, "Unilaterally Aggregated Contrastive Learning with Hierarchical
    Augmentation for Anomaly Detection" (https://arxiv.org/abs/2308.10155), section 3. The weights
    of the stages are in a supplement that we have not seen; here all are 1.
    """

    temperature: float = 0.5
    weighted: bool = True
    weight_temperature: float = 0.5
    labelled: bool = False
    stages: int = 4

    def __post_init__(self):
        super().__post_init__()
        check_positive("method.weight_temperature", self.weight_temperature)
        check_count("method.stages", self.stages)
        if self.stages > 1 and not has_stages(self.encoder):
            raise UserError(
                f"method.stages={self.stages} needs inner stages of the encoder, which "
                f"{type(self.encoder).__name__} does not have: take a convnet or a ResNet, or "
                "method.stages=1 and views.stages=1"
            )

    @property
    def needs(self):
        """Nothing, or classes."""
        return ("label",) if self.labelled else ()

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; encoder and projector, and a head for each inner stage."""
        made = super().init(key, views, data)
        params, model_state = dict(made.params), dict(made.model_state)
        for left_out in range(1, self.stages):
            of_stage, _ = self._first_stages(made, views[IMAGES], left_out)
            head_key = jax.random.fold_in(key, left_out)
            head = self._head(left_out).init(head_key, of_stage, train=True)
            name = _head_name(left_out)
            params[name], model_state[name] = head["params"], head["batch_stats"]
        return Variables(params, model_state)

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`; the embeddings of all stages [B, stages, 8, d], the last at the end.

        Raises:
            UserError: another number of views.
        """
        count = jax.tree.leaves(views)[0].shape[1]
        if [*views] != [IMAGES] or count != self.stages * VIEWS_A_STAGE:
            raise UserError(
                f"method.stages={self.stages} takes {self.stages * VIEWS_A_STAGE} views of an "
                f"image, but the recipe of views makes {count} of {', '.join(views)}: take "
                f"views.name='turned' and views.stages={self.stages}"
            )
        embeddings = []
        *inner, last = jnp.split(views[IMAGES], self.stages, axis=1)
        for stage, of_stage in enumerate(inner):
            z, variables = self._embed_inner(variables, of_stage, self.stages - 1 - stage)
            embeddings.append(z)
        final = super().embed(variables, {IMAGES: last}, keys)
        return final._replace(embeddings=jnp.stack([*embeddings, final.embeddings], axis=1))

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """The mean of the stages' losses over the global batch."""
        upright = batch["label"] if self.labelled else jnp.zeros(len(embeddings), jnp.int32)
        labels = instance_labels(upright)
        losses = []
        for stage in range(self.stages):
            z = embeddings[:, stage].reshape(-1, VIEWS_A_TURN, embeddings.shape[-1])
            of_pairs = {"temperature": self.temperature, "mesh": mesh}
            if stage == self.stages - 1 and self.weighted:
                of_pairs["weight_temperature"] = self.weight_temperature
                losses.append(soft_aggregation(z[:, 0], z[:, 1], labels, **of_pairs))
            else:
                losses.append(supcon(z[:, 0], z[:, 1], labels, **of_pairs))
        metrics = two_view_diagnostics(embeddings[:, -1, 0], embeddings[:, -1, 1])
        metrics |= {f"loss_stage{stage}": loss for stage, loss in enumerate(losses)}
        return Outcome(sum(losses) / self.stages, metrics, {})

    def _embed_inner(self, variables, views, left_out):
        """Embeddings [B, V, d] of the stage before the last `left_out`, and the new variables."""
        of_stage, variables = self._first_stages(variables, views, left_out)
        name = _head_name(left_out)
        z, variables = _apply(self._head(left_out), variables, name, of_stage)
        return z.reshape(*views.shape[:2], -1), variables

    def _first_stages(self, variables, views, left_out):
        rows = views.reshape(-1, *views.shape[2:])
        options = {"method": "feature_map", "left_out": left_out}
        return _apply(self.encoder, variables, "encoder", rows, **options)

    def _head(self, left_out: int) -> StageHead:
        types = {"dtype": self.encoder.dtype, "param_dtype": self.encoder.param_dtype}
        return StageHead(self.projector, left_out, **types)


def instance_labels(upright: Int[Array, " B"]) -> Int[Array, " 4*B"]:
    """The label of every example at every rotation: each rotated one has a label of its own.

    Args:
        upright: labels of the upright examples, 0 or more.

    Returns:
        Labels; the rotations of an example are neighbours, upright first.
    """
    shape = len(upright), TURNS
    own = -1 - jnp.arange(len(upright) * TURNS, dtype=upright.dtype).reshape(shape)
    return own.at[:, 0].set(upright).reshape(-1)


def _head_name(left_out: int) -> str:
    return f"head_before_last_{left_out}"


def _apply(module: nn.Module, variables: Variables, name: str, x, **options):
    """The output of a network in training mode, and the variables with its new statistics."""
    params, model_state, _ = variables
    given = {"params": params[name], "batch_stats": model_state[name]}
    y, updated = module.apply(given, x, train=True, mutable=["batch_stats"], **options)
    return y, variables._replace(model_state={**model_state, name: updated["batch_stats"]})
