"""Encoders, of texts too, projectors and decoders (Flax Linen), by the names that configs use."""

ENCODERS = {
    "convnet": "jcl.models.convnet:ConvNet",
    "mlp": "jcl.models.mlp:MLPEncoder",
    "resnet18": "jcl.models.resnet:resnet18",
    "resnet34": "jcl.models.resnet:resnet34",
    "resnet50": "jcl.models.resnet:resnet50",
    "resnet101": "jcl.models.resnet:resnet101",
    "resnet152": "jcl.models.resnet:resnet152",
    "convnet_frame_mean": "jcl.models.frames:ConvNetFrameMean",
    "convnet_frame_stack": "jcl.models.frames:ConvNetFrameStack",
    "resnet50_frame_mean": "jcl.models.frames:resnet50_frame_mean",
    "resnet50_frame_stack": "jcl.models.frames:resnet50_frame_stack",
    "vit_ti": "jcl.models.vit:vit_ti",
    "vit_s": "jcl.models.vit:vit_s",
    "vit_b": "jcl.models.vit:vit_b",
    "vit_l": "jcl.models.vit:vit_l",
}
TEXT_ENCODERS = {
    "token_transformer": "jcl.models.text.token_transformer:TokenTransformer",
    "token_bag": "jcl.models.text.bag:TokenBag",
    "clip_text": "jcl.models.text.clip_text:CLIPText",
    "bert": "jcl.models.text.bert:BERT",
}
PROJECTORS = {
    "mlp": "jcl.models.projector:MLP",
    "dense_tanh": "jcl.models.dense_tanh:DenseTanh",
}
DECODERS = {"mlp": "jcl.models.decoder:MLPDecoder"}
