"""Encoders and projectors (Flax Linen), by the names that configs use."""

ENCODERS = {"convnet": "jcl.models.convnet:ConvNet"}
PROJECTORS = {"mlp": "jcl.models.projector:MLP"}
