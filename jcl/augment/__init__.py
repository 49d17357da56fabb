"""Augmentation on the device; recipes by the names that configs use."""

VIEWS = {
    "shapes": "jcl.augment.recipes:shapes",
    "crop_flip_light": "jcl.augment.recipes:crop_flip_light",
    "crop_light": "jcl.augment.recipes:crop_light",
    "simclr_imagenet": "jcl.augment.simclr:simclr_imagenet",
    "simclr_cifar": "jcl.augment.simclr:simclr_cifar",
    "batch_styles": "jcl.augment.styles:batch_styles",
    "byol": "jcl.augment.byol:byol",
    "byol_boxes": "jcl.augment.boxes:byol_boxes",
    "multi_crop": "jcl.augment.multi_crop:multi_crop",
    "shapes_multi_crop": "jcl.augment.multi_crop:shapes_multi_crop",
    "shapes_boxes": "jcl.augment.boxes:shapes_boxes",
    "turned": "jcl.augment.turned:turned",
    "two_clips": "jcl.augment.clips:two_clips",
    "shapes_two_clips": "jcl.augment.clips:shapes_two_clips",
    "weak": "jcl.augment.recipes:weak",
    "partners": "jcl.augment.partners:partners",
    "none": "jcl.augment.recipes:none",
    "image_and_text": "jcl.augment.pairs:image_and_text",
    "feature_noise": "jcl.augment.vectors:feature_noise",
}
