"""Pretraining methods, by the names that configs use; see `jcl.methods.base.Method`."""

METHODS = {
    "simclr": "jcl.methods.simclr:SimCLR",
    "dcl": "jcl.methods.dcl:DCL",
    "sogclr": "jcl.methods.sogclr:SogCLR",
    "supcon": "jcl.methods.supcon:SupCon",
    "supremix": "jcl.methods.supremix:SupReMix",
    "rnc": "jcl.methods.rank_n_contrast:RankNContrast",
    "cross_entropy": "jcl.methods.cross_entropy:CrossEntropy",
    "l1": "jcl.methods.regression:L1",
    "mse": "jcl.methods.regression:MSE",
}
