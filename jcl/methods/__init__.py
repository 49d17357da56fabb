"""Pretraining methods, by the names that configs use; see `jcl.methods.base.Method`."""

METHODS = {
    "simclr": "jcl.methods.simclr:SimCLR",
    "dcl": "jcl.methods.dcl:DCL",
    "sogclr": "jcl.methods.sogclr:SogCLR",
}
