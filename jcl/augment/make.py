"""From the section `views` of a config to a recipe."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from jcl.augment import VIEWS
from jcl.augment.views import InContext, Views, with_count
from jcl.config import names
from jcl.config.base import Views as Keys
from jcl.config.options import options


def make_views(section: Mapping[str, Any] | ConfigDict) -> Views | InContext:
    """The named recipe, with as many views as asked.

    Args:
        section: `views` of an opened config.

    Raises:
        UserError: an unknown name, an option that the recipe does not take, or a number of views
            that it cannot make.
    """
    common = options(Keys)
    own = {key: value for key, value in section.items() if key not in common}
    recipe = names.build("views", own, VIEWS)
    return with_count(recipe, section["name"], section.get("count"))
