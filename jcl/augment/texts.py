"""Views of texts: token ids {"ids": int32 [L], "mask": bool [L]} of constant length L.

A random change is a pure function of a key and one text. The tokens that it keeps stay in their
order and come before the padding.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped

from jcl.augment.tokens import TEXT, text_of
from jcl.augment.views import Drawing, SeveralViews, Views
from jcl.config.checks import check_decay, check_share
from jcl.errors import UserError

Text = Mapping[str, Shaped[Array, " L"]]


def text_copies() -> Views:
    """Two equal copies, or `views.count`; only the encoder's dropout makes them differ.

    Source: Gao et al. 2021 (SimCSE), section 3.
    """
    return _several(lambda key, text: text)


def text_crop(*, min_share: float = 0.5, keep_ends: bool = True) -> Views:
    """Each view is a random span of the text.

    Args:
        min_share: smallest share of the tokens in a span, in (0, 1].
        keep_ends: whether the first and the last token, which tokenizers add, are always kept.

    Source: Meng et al. 2021 (COCO-LM), section 3.2, with spans of one share; independent cropping
    of Izacard et al. 2022 (Contriever), section 3.1.
    """
    check_share("views.min_share", min_share)
    return _several(lambda key, text: crop(key, text, min_share, keep_ends))


def text_deletion(*, rate: float = 0.1, keep_ends: bool = True) -> Views:
    """Each view is the text without some random tokens.

    Args:
        rate: probability of deleting each token, in [0, 1); at least one token is kept.
        keep_ends: whether the first and the last token, which tokenizers add, are always kept.

    Source: Wu et al. 2020 (CLEAR), section 3.3; word deletion as compared in Gao et al. 2021
    (SimCSE), table 1.
    """
    check_decay("views.rate", rate)
    return _several(lambda key, text: delete(key, text, rate, keep_ends))


def text_repetition(*, most: float = 0.32, keep_ends: bool = True) -> Views:
    """Views 0, 2, .. are the unchanged text; in views 1, 3, .. some tokens occur twice.

    Take it with texts that are shorter than the static length: repeated tokens need room, and
    without room they are not repeated.

    Args:
        most: largest share of the tokens that are repeated, in (0, 1].
        keep_ends: whether the first and the last token, which tokenizers add, are never repeated.

    Source: Wu et al. 2022, "ESimCSE: Enhanced Sample Building Method for Contrastive Learning of
    Unsupervised Sentence Embedding", section 3.1, with tokens instead of words.
    """
    check_share("views.most", most)

    def view(key, text, share):
        return repeat(key, text, share, keep_ends)

    return _several(view, (0.0, most))


def texts() -> Views:
    """The views of an example are its texts; all examples have the same number of them.

    For example, a sentence, one that it entails and one that it contradicts (supervised SimCSE).
    """

    def make(keys, examples):
        del keys
        ids, mask = examples.get(TEXT), examples.get(f"{TEXT}_mask")
        if ids is None or mask is None or ids.ndim != 3:
            said = "none" if ids is None else f"{ids.dtype}{list(ids.shape)}"
            raise UserError(f"views.name='texts' takes several texts per example, this has {said}")
        return {TEXT: {"ids": ids.astype(jnp.int32), "mask": mask.astype(bool)}}

    return make


def crop(key: PRNGKeyArray, text: Text, min_share: float, keep_ends: bool) -> Text:
    """A span at a random position, whose share of the tokens is uniform in [`min_share`, 1]."""
    inside, count = _inside(text["mask"], keep_ends)
    share_key, start_key = jax.random.split(key)
    share = jax.random.uniform(share_key, minval=min_share, maxval=1.0)
    length = jnp.maximum(jnp.round(share * count), 1).astype(jnp.int32)
    start = jax.random.randint(start_key, (), 0, jnp.maximum(count - length, 0) + 1)
    place = jnp.cumsum(inside) - 1  # of a token among those inside
    return _kept(text, ~inside | ((place >= start) & (place < start + length)))


def delete(key: PRNGKeyArray, text: Text, rate: float, keep_ends: bool) -> Text:
    """Deletes each token with probability `rate`; keeps the token with the largest draw."""
    inside, _ = _inside(text["mask"], keep_ends)
    drawn = jnp.where(inside, jax.random.uniform(key, inside.shape), -1)
    return _kept(text, ~inside | (drawn >= rate) | (drawn == drawn.max()))


def repeat(key: PRNGKeyArray, text: Text, most: Float[Array, ""] | float, keep_ends: bool) -> Text:
    """Repeats random tokens; their share is uniform from 0 to `most`."""
    mask = text["mask"]
    inside, count = _inside(mask, keep_ends)
    count_key, place_key = jax.random.split(key)
    chosen = jax.random.randint(count_key, (), 0, jnp.floor(most * count).astype(jnp.int32) + 1)
    chosen = jnp.minimum(chosen, len(mask) - mask.sum())
    drawn = jnp.where(inside, jax.random.uniform(place_key, mask.shape), 2)
    twice = jnp.argsort(jnp.argsort(drawn)) < chosen
    ends = jnp.cumsum(jnp.where(mask, 1 + twice, 0))
    source = jnp.searchsorted(ends, jnp.arange(len(mask)), side="right")
    # Positions after the end have no source; their ids have no meaning.
    ids = text["ids"][jnp.minimum(source, len(mask) - 1)]
    return {"ids": ids, "mask": jnp.arange(len(mask)) < ends[-1]}


def _inside(mask: Bool[Array, " L"], keep_ends: bool) -> tuple[Bool[Array, " L"], Int[Array, ""]]:
    """A mask of the tokens that may change, and their number."""
    if keep_ends:
        place = jnp.cumsum(mask)
        mask = mask & (place > 1) & (place < mask.sum())
    return mask, mask.sum()


def _kept(text: Text, keep: Bool[Array, " L"]) -> Text:
    """The tokens that are kept, in their order, and padding."""
    keep = keep & text["mask"]
    order = jnp.argsort(~keep, stable=True)
    return {"ids": text["ids"][order], "mask": keep[order]}


@dataclasses.dataclass(frozen=True, eq=False)
class _SeveralTexts(SeveralViews):
    """`SeveralViews` for texts, with their ids and masks."""

    def __call__(self, keys, examples):
        return jax.vmap(self._of_example)(keys, text_of(examples))


def _several(view, *numbers: tuple[float, float]) -> Views:
    return _SeveralTexts({TEXT: Drawing(view, 2, numbers)}, takes=TEXT)
