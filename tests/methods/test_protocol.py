"""What a user's class is told that is no method, or one of jcl's first protocol."""

import dataclasses

import pytest

from jcl.errors import UserError
from jcl.experiment import make_method
from jcl.methods.base import Method
from jcl.methods.simclr import SimCLR
from tests.tiny import tiny_config


@dataclasses.dataclass(frozen=True)
class OldObjective(SimCLR):
    """As many arguments as now, of other names."""

    def objective(self, params, embeddings, batch, method_state, key, mesh):
        """Of the first protocol."""


@dataclasses.dataclass(frozen=True)
class OldUpdate(SimCLR):
    """One argument less."""

    def after_update(self, state, carry):
        """Of the first protocol."""


@dataclasses.dataclass(frozen=True)
class OldFeatures(SimCLR):
    """A function that went."""

    def predict(self, params, model_state, inputs):
        """Of the first protocol."""


@dataclasses.dataclass(frozen=True)
class Incomplete:
    """No method."""

    temperature: float = 0.1

    def init(self, key, views, data):
        """All it has."""


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("OldObjective", r"objective\(params.* must have objective\(variables, embeddings, batch,"),
        ("OldUpdate", r"after_update\(state, carry\).* must have after_update\(variables, carry, "),
        ("OldFeatures", r"has predict, .* now outputs\(variables, inputs\) returns \{'prediction'"),
        ("Incomplete", r"has no embed\(variables, views, keys\): see jcl.methods.base.Method"),
    ],
)
def test_one_sentence_says_what_to_change(name, says):
    config = tiny_config(**{"method.name": f"{__name__}:{name}"})
    with pytest.raises(UserError, match=says) as error:
        make_method(config)
    assert "\n" not in str(error.value)


def test_our_methods_follow_the_protocol():
    assert isinstance(make_method(tiny_config()), Method)
