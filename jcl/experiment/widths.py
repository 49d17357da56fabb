"""How wide a network is that no one gave a width, where a loss compares it with another."""

from ml_collections import ConfigDict

from jcl.experiment.tables import named_options, networks_of

# What either of these gives is compared with what the projector gives.
_COMPARED, _WITH = ("predictor", "text_projector"), "projector"
_WIDTH = "output_dim"


def with_widths(config: ConfigDict) -> ConfigDict:
    """The config, in which networks whose width is unset are as wide as the projector.

    So a method that has such a network can be named on a config that does not know of one.

    Args:
        config: from `jcl.config.base()`; it stays as it is.
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
