"""How wide a predictor is that no one gave a width."""

from ml_collections import ConfigDict

from jcl.experiment.tables import named_options, networks_of

_PAIR = ("projector", "predictor")
_WIDTH = "output_dim"


def with_predictor_width(config: ConfigDict) -> ConfigDict:
    """The config, in which a predictor whose width is unset is as wide as the projector.

    Losses compare what the two give, so a method with a predictor can be named on a config that
    does not know of one.

    Args:
        config: from `jcl.config.base()`; it stays as it is.
    """
    if not set(_PAIR) <= set(networks_of(config.method.name)):
        return config
    projector, predictor = (named_options(title, config[title].name) for title in _PAIR)
    if _WIDTH not in projector or _WIDTH not in predictor:
        return config
    config = ConfigDict(config.to_dict())
    if config.predictor.get(_WIDTH) is None:
        given = config.projector.get(_WIDTH)
        config.predictor[_WIDTH] = projector[_WIDTH].default if given is None else given
    return config
