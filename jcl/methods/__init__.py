"""Pretraining methods, by the names that configs use; see `jcl.methods.base.Method`."""

METHODS = {
    "simclr": "jcl.methods.simclr:SimCLR",
    "dcl": "jcl.methods.dcl:DCL",
    "moco_v3": "jcl.methods.moco_v3:MoCoV3",
    "sogclr": "jcl.methods.sogclr:SogCLR",
    "swav": "jcl.methods.swav:SwAV",
    "clip": "jcl.methods.clip:CLIP",
    "supcon": "jcl.methods.supcon:SupCon",
    "unicon_ha": "jcl.methods.unicon_ha:UniConHA",
    "supremix": "jcl.methods.supremix:SupReMix",
    "rnc": "jcl.methods.rnc:RankNContrast",
    "cross_entropy": "jcl.methods.cross_entropy:CrossEntropy",
    "l1": "jcl.methods.regression:L1",
    "mse": "jcl.methods.regression:MSE",
}

# What is known of an example -> the method that fine-tuning trains with. L1, not MSE, because
# scores are errors of this kind, and the literature on imbalanced regression trains with it.
FINETUNING = {"label": "cross_entropy", "target": "l1"}
