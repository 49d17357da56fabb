"""The vocabulary sizes of text networks."""

from ml_collections import ConfigDict

from jcl.errors import UserError
from jcl.experiment.tables import named_options, networks_of

_KEY = "vocabulary"


def with_vocabulary(config: ConfigDict, size: int | None) -> ConfigDict:
    """The config with the tokenizer's size as the vocabulary of networks that leave it unset.

    Args:
        config: from `jcl.config.base()`; it is not changed.
        size: number of token ids of the run's tokenizer; None if texts are not strings.

    Raises:
        UserError: a network has a smaller vocabulary.
    """
    networks = networks_of(config.method.name)
    taking = [t for t in networks if _KEY in named_options(t, config[t].name)]
    if size is None or not taking:
        return config
    config = ConfigDict(config.to_dict())
    for title in taking:
        given = config[title].get(_KEY)
        if given is None:
            config[title][_KEY] = size
        elif given < size:
            raise UserError(
                f"{title}.{_KEY}={given} is impossible: the tokenizer of the run has {size} token "
                f"ids; leave {title}.{_KEY} unset to have as many"
            )
    return config
