"""Pretraining methods, by the names that configs use; see `jcl.methods.base.Method`."""

METHODS = {
    "simclr": "jcl.methods.simclr:SimCLR",
    "dcl": "jcl.methods.dcl:DCL",
    "moco_v2": "jcl.methods.moco_v2:MoCoV2",
    "mochi": "jcl.methods.mochi:MoCHi",
    "feature_transformation": "jcl.methods.feature_transformation:FeatureTransformation",
    "moco_v3": "jcl.methods.moco_v3:MoCoV3",
    "byol": "jcl.methods.byol:BYOL",
    "directpred": "jcl.methods.directpred:DirectPred",
    "simsiam": "jcl.methods.simsiam:SimSiam",
    "sogclr": "jcl.methods.sogclr:SogCLR",
    "hard_simclr": "jcl.methods.hard_simclr:HardSimCLR",
    "mv_info_nce": "jcl.methods.mv_info_nce:MVInfoNCE",
    "mv_dhel": "jcl.methods.mv_dhel:MVDHEL",
    "cacr": "jcl.methods.cacr:CACR",
    "groco": "jcl.methods.groco:GroCo",
    "nnclr": "jcl.methods.nnclr:NNCLR",
    "nnclr_dcl": "jcl.methods.nnclr_dcl:NNCLRDCL",
    "isogclr": "jcl.methods.isogclr:ISogCLR",
    "dbpm": "jcl.methods.dbpm:DBPM",
    "genview": "jcl.methods.genview:GenView",
    "swav": "jcl.methods.swav:SwAV",
    "beclr": "jcl.methods.beclr:BECLR",
    "cmim": "jcl.methods.cmim:CMIM",
    "pixpro": "jcl.methods.pixpro:PixPro",
    "clip": "jcl.methods.clip:CLIP",
    "supcon": "jcl.methods.supcon:SupCon",
    "unicon_ha": "jcl.methods.unicon_ha:UniConHA",
    "supremix": "jcl.methods.supremix:SupReMix",
    "rnc": "jcl.methods.rnc:RankNContrast",
    "sbcl": "jcl.methods.sbcl:SBCL",
    "hydra": "jcl.methods.hydra:Hydra",
    "soft_labels": "jcl.methods.soft_labels:SoftLabels",
    "conr": "jcl.methods.conr:ConR",
    "cross_entropy": "jcl.methods.cross_entropy:CrossEntropy",
    "l1": "jcl.methods.regression:L1",
    "mse": "jcl.methods.regression:MSE",
}

# What is known of an example -> the method that fine-tuning trains with. L1, not MSE, because
# scores are errors of this kind, and the literature on imbalanced regression trains with it.
FINETUNING = {"label": "cross_entropy", "target": "l1"}
