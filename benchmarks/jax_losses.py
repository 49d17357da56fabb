"""The losses of `benchmarks.losses` in JAX: ours, the plain formulas, and optax's."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import optax

from benchmarks import inputs
from benchmarks.implementation import Compared, Implementation, Inputs
from benchmarks.plain import codes, many_views, one_view, regression, towers, two_views
from jcl import losses

TEMPERATURE = 0.1
BIAS = -10.0  # of SigLIP's logits
WINDOW = 5.0  # of targets


def implementations(names: list[str], batch: dict[str, Inputs]) -> list[Implementation]:
    """Compiled for inputs of these shapes; of each loss, ours comes first."""
    return [
        _compile(loss, by, function, batch[loss])
        for loss in names
        for by, function in LOSSES[loss].functions.items()
    ]


def _ours_and(plain: Callable, **options) -> dict[str, Callable]:
    """The loss of that name in `jcl.losses`, and the plain one."""
    ours = getattr(losses, plain.__name__)
    return {"jcl": partial(ours, **options), "plain jnp": partial(plain, **options)}


def _optax_ntxent(z0: jax.Array, z1: jax.Array) -> jax.Array:
    pairs = jnp.tile(jnp.arange(len(z0)), 2)
    return optax.losses.ntxent(jnp.concatenate([z0, z1]), pairs, TEMPERATURE)


def _value_and_plain(plain: Callable, **options) -> dict[str, Callable]:
    """The same of a loss that returns new estimates too."""
    ours = getattr(losses, plain.__name__)
    return {
        "jcl": lambda **arguments: ours(**arguments, **options)[0],
        "plain jnp": partial(plain, **options),
    }


_COSINES = {"temperature": TEMPERATURE}
_VIEWS, _TOWERS = inputs.pair("z0", "z1"), inputs.pair("queries", "keys")
_SOGCLR = {**_COSINES, "gamma": 0.9}
_MIXTURES = {"hardest": 32, "mixed": 32, "mixed_with_query": 8}
_FACTORS = {"extrapolation": 1.5, "query_extrapolation": 1.5, "interpolation": 0.5}
_CACR = {"t_positive": 1.0, "t_negative": 2.0, "alpha": 1.0, "beta": 1.0}

LOSSES: dict[str, Compared] = {
    "nt_xent": Compared(
        _VIEWS, 3, {**_ours_and(two_views.nt_xent, **_COSINES), "optax": _optax_ntxent}
    ),
    "dcl": Compared(_VIEWS, 3, _ours_and(two_views.dcl, **_COSINES)),
    "hard_nt_xent": Compared(
        _VIEWS, 3, _ours_and(two_views.hard_nt_xent, **_COSINES, threshold=0.1)
    ),
    "sogclr": Compared(
        inputs.pair("z0", "z1", log_estimates=inputs.log_estimates),
        3,
        _value_and_plain(two_views.sogclr, **_SOGCLR),
    ),
    "supcon": Compared(
        inputs.pair("z0", "z1", labels=inputs.classes),
        3,
        _ours_and(two_views.supcon, **_COSINES),
    ),
    "soft_aggregation": Compared(
        inputs.pair("z0", "z1", labels=inputs.classes),
        4,
        _ours_and(two_views.soft_aggregation, **_COSINES, weight_temperature=0.5),
    ),
    "alignment_uniformity": Compared(
        _VIEWS, 3 / 2, _ours_and(two_views.alignment_uniformity, t=2.0, weight=1.0)
    ),
    "cmim_contrast": Compared(inputs.one_view, 3, _ours_and(one_view.cmim_contrast, **_COSINES)),
    "cacr": Compared(inputs.many_views, 3, _ours_and(many_views.cacr, **_CACR)),
    "mv_dhel": Compared(inputs.many_views, 3 / 2, _ours_and(many_views.mv_dhel, **_COSINES)),
    "mv_info_nce": Compared(inputs.many_views, 3, _ours_and(many_views.mv_info_nce, **_COSINES)),
    "groco": Compared(
        inputs.many_views, 1, _ours_and(many_views.groco, neighbours=10, steepness=1.0)
    ),
    "info_nce": Compared(_TOWERS, 3 / 4, _ours_and(towers.info_nce, **_COSINES)),
    "siglip": Compared(
        inputs.pair("images", "texts"), 3 / 4, _ours_and(towers.siglip, **_COSINES, bias=BIAS)
    ),
    "bimodal_sogclr": Compared(
        inputs.pair(
            "images",
            "texts",
            log_image_estimates=inputs.log_estimates,
            log_text_estimates=inputs.log_estimates,
        ),
        3 / 4,
        _value_and_plain(towers.bimodal_sogclr, **_SOGCLR),
    ),
    "one_way_nce": Compared(
        inputs.with_negatives, 3 / 2, _ours_and(towers.one_way_nce, **_COSINES)
    ),
    "query_key_nce": Compared(inputs.with_queue, 1, _ours_and(towers.query_key_nce, **_COSINES)),
    "query_queue_nce": Compared(
        inputs.with_queue, 1 / 2, _ours_and(towers.query_queue_nce, **_COSINES)
    ),
    # Nobody else's to compare with: others would draw other mixtures.
    "mixed_queue_nce": Compared(
        inputs.with_queue_and(key=inputs.raw_key),
        1 / 2,
        {"jcl": partial(losses.mixed_queue_nce, **_COSINES, **_MIXTURES)},
    ),
    "transformed_queue_nce": Compared(
        inputs.with_queue_and(partners=inputs.permutation),
        1 / 2,
        _ours_and(towers.transformed_queue_nce, **_COSINES, **_FACTORS),
    ),
    "soft_info_nce": Compared(
        inputs.pair("queries", "keys", targets=inputs.distributions),
        3 / 4,
        _ours_and(towers.soft_info_nce, **_COSINES),
    ),
    "one_to_k": Compared(inputs.captioned, 9 / 16, _ours_and(towers.one_to_k, **_COSINES)),
    "filip": Compared(inputs.tokens, 3 / 4, _ours_and(towers.filip, **_COSINES)),
    "rank_n_contrast": Compared(
        inputs.pair("z0", "z1", targets=inputs.whole_numbers),
        3,
        # Distances of raw rows are larger than cosines.
        _ours_and(regression.rank_n_contrast, temperature=2.0),
    ),
    "conr": Compared(
        inputs.pair("f0", "f1", targets=inputs.whole_numbers, predictions=inputs.whole_numbers),
        3,
        _ours_and(regression.conr, **_COSINES, window=WINDOW, push=0.01),
    ),
    # Nobody else's to compare with, and in one matrix there would be pairs of pairs.
    "supremix": Compared(
        inputs.pair("z0", "z1", targets=inputs.whole_numbers, key=inputs.raw_key),
        3,
        {"jcl": partial(losses.supremix, **_COSINES, window=WINDOW)},
    ),
    "sinkhorn": Compared(inputs.scores, 0, _ours_and(codes.sinkhorn, epsilon=0.05, iterations=3)),
}


def _compile(loss: str, by: str, function: Callable, batch: Inputs) -> Implementation:
    def value(embeddings, beside):
        return function(**embeddings, **beside)

    def value_alone(embeddings, beside):
        return value(embeddings, beside), {}

    # What has no gradient may return an array.
    program = jax.value_and_grad(value) if batch.embeddings else value_alone
    compiled = jax.jit(program).lower(*batch).compile()
    memory = compiled.memory_analysis()
    return Implementation(
        loss,
        by,
        peak_bytes=memory.temp_size_in_bytes + memory.output_size_in_bytes,
        xla_temporary=memory.temp_size_in_bytes,
        call=lambda x: compiled(*x),
    )
