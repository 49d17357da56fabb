"""Zero-shot classification by texts that name the classes."""

import numpy as np
from jaxtyping import Array, Float, Int

from jcl.errors import UserError
from jcl.probes.checks import check_features, check_labels, check_same_width
from jcl.probes.unit import unit


def zero_shot_top1(
    images: Float[Array | np.ndarray, "n d"],
    labels: Int[Array | np.ndarray, " n"],
    class_texts: Float[Array | np.ndarray, "C T d"],
) -> dict[str, float]:
    """The share of images whose most similar class is their own.

    The embedding of a class is the normalised mean of the unit embeddings of its texts, one per
    template (Radford et al., "Learning Transferable Visual Models From Natural Language
    Supervision", 2021, section 3.1.4). Ties go to the smaller label.

    Args:
        images: float [n, d].
        labels: integer [n], in [0, C).
        class_texts: float [C, T, d], embeddings of T texts that name each class.

    Returns:
        {"top1": fraction, "templates": T}.

    Raises:
        UserError: arguments that do not match.
    """
    if np.ndim(class_texts) != 3:
        raise UserError(f"class_texts must be [C, T, d], not {np.shape(class_texts)}.")
    n_classes, templates, width = np.shape(class_texts)
    texts = np.asarray(class_texts).reshape(-1, width)
    check_features("Images", images)
    check_features("Texts", texts)
    check_same_width(images, texts)
    check_labels("Labels", labels, n=len(images), n_classes=n_classes)
    classes = unit(unit(class_texts).mean(1))
    # The norms of images do not change the order.
    predicted = np.argmax(np.asarray(images) @ classes.T, axis=1)
    return {"top1": float(np.mean(predicted == np.asarray(labels))), "templates": templates}
