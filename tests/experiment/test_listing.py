"""`--list`: every name, and what each takes with a line on it."""

import dataclasses

import pytest

from jcl.config.base import NAMED
from jcl.config.options import descriptions
from jcl.errors import UserError
from jcl.experiment.listing import list_names
from jcl.experiment.tables import TABLES, named_options, networks_of, target
from jcl.methods.simclr import SimCLR

NAMES = [
    (title, f"{name.partition(':')[0]}:x" if ":" in name else name)
    for title, table in TABLES.items()
    for name in table
]


@pytest.mark.parametrize(("title", "name"), NAMES, ids=lambda text: text)
def test_every_option_of_every_name_is_described(title, name):
    taken, said = named_options(title, name), descriptions(target(title, name))
    assert [key for key in taken if not said.get(key)] == []
    lines = list_names(f"{title}.{name}").splitlines()
    for key, option in taken.items():
        (line,) = [line for line in lines if line.split()[:1] == [key]]
        assert option.kind_name in line
        assert repr(option.default) in line
        # None in a config is an option that is not set, so it could not mean anything else.
        assert not (option.nullable and option.default is not None and title in NAMED)


def test_all_names_stand_in_the_list():
    said = list_names("all")
    for title, table in TABLES.items():
        for name in (title, *table):
            assert name in said
    assert "sections of the run: run, mesh, checkpoint, profile, wandb, probe" in said


def test_sections_of_the_run_have_options_without_a_name():
    assert "  knn_k                   int    20 " in list_names("probe")
    assert "  batch_size        int         256 " in list_names("run")
    assert "  init_from         str|tuple?  None " in list_names("run")
    both = list_names("optimizer")
    assert "adamw, lars, sgd" in both
    assert "learning_rate" in both


def test_what_is_not_there_is_named():
    for asked in ("prob", "probe.knn_k", "method.simclrr"):
        with pytest.raises(UserError, match=r"is unknown"):
            list_names(asked)


@dataclasses.dataclass(frozen=True)
class Theirs(SimCLR):
    """Somebody else's.

    Attributes:
        factor: theirs.
    """

    factor: int = 3


def test_a_class_of_others_has_its_options_too():
    assert networks_of(f"{__name__}:Theirs") == ["encoder", "projector"]
    said = list_names(f"method.{__name__}:Theirs")
    assert said.startswith(f"method.name={__name__}:Theirs: Somebody else's.")
    assert "  factor       int    3    theirs." in said
    assert "  temperature  float  0.1  cosines are divided by it" in said
