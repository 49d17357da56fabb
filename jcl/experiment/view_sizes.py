"""The sizes of views beside those of the images or videos that they are made from."""

from ml_collections import ConfigDict

from jcl.augment.views import IMAGES, VIDEOS
from jcl.data.dataset_shape import DatasetShape
from jcl.errors import UserError
from jcl.experiment.tables import option_of_views

_SIZES = ("size", "small_size")  # options of recipes: sides of views in pixels


def check_view_sizes(config: ConfigDict, data: DatasetShape) -> None:
    """Refuses a new run whose views would be enlarged images or frames.

    Runs that began before this check go on, and evaluation enlarges the images of other datasets.

    Args:
        config: of the run.
        data: the training split.

    Raises:
        UserError: a view is larger than the image, or the frame, both ways.
    """
    for kind in (IMAGES, VIDEOS):
        if kind not in data.example:
            continue
        # An example may have several images, and a video has several frames.
        *_, height, width, _ = data.example[kind].shape
        for key in _SIZES:
            side = option_of_views(config, key)
            if side is not None and side > max(height, width):
                raise UserError(
                    f"views.{key}={side} is larger than the {kind}s of "
                    f"data.name={config.data.name!r}, {height}x{width}: take a smaller one, or "
                    f"data with larger {kind}s"
                )
