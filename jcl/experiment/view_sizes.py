"""The sizes of views beside the sizes of the images that they are made from."""

from ml_collections import ConfigDict

from jcl.data.dataset_shape import DatasetShape
from jcl.errors import UserError
from jcl.experiment.tables import option_of_views

_SIZES = ("size", "small_size")  # options of recipes: sides of views in pixels


def check_view_sizes(config: ConfigDict, data: DatasetShape) -> None:
    """Refuses a new run whose views would be enlarged images.

    Runs that began before this check go on, and evaluation enlarges the images of other datasets.

    Args:
        config: of the run.
        data: the training split.

    Raises:
        UserError: a view is larger than the image both ways.
    """
    if "image" not in data.example:
        return
    *_, height, width, _ = data.example["image"].shape  # an example may have several images
    for key in _SIZES:
        side = option_of_views(config, key)
        if side is not None and side > max(height, width):
            raise UserError(
                f"views.{key}={side} is larger than the images of data.name={config.data.name!r}, "
                f"{height}x{width}: take a smaller one, or enlarge the images with "
                f"data.image_size={side}"
            )
