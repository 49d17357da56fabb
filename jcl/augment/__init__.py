"""Augmentation on the device; recipes by the names that configs use."""

VIEWS = {
    "shapes": "jcl.augment.recipes:shapes",
    "crop_flip_light": "jcl.augment.recipes:crop_flip_light",
}
