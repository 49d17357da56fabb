"""Default widths of networks whose outputs a loss compares with those of the projector."""

from ml_collections import ConfigDict

from jcl.experiment.tables import named_options, networks_of

# The outputs of these networks are compared with the projector's.
_COMPARED, _WITH = ("predictor", "text_projector"), "projector"
_WIDTH = "output_dim"


def with_widths(config: ConfigDict) -> ConfigDict:
    """The config with the projector's width for networks whose width is unset.

    So a method with such a network can be used with a config that does not set it.

    Args:
        config: from `jcl.config.base()`; it is not changed.
    """
    networks = networks_of(config.method.name)
    taken = {
        title: named_options(title, config[title].name)
        for title in (_WITH, *_COMPARED)
        if title in networks
    }
    if _WIDTH not in taken.get(_WITH, {}):
        return config
    given = config[_WITH].get(_WIDTH)
    width = taken[_WITH][_WIDTH].default if given is None else given
    config = ConfigDict(config.to_dict())
    for title in _COMPARED:
        if _WIDTH in taken.get(title, {}) and config[title].get(_WIDTH) is None:
            config[title][_WIDTH] = width
    return config
