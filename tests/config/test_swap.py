"""What goes with a thing that the command line replaces, and what stays."""

import pytest

from configs import simclr_cifar10, simclr_fashion_mnist, simclr_imagenet, simclr_vit_imagenet
from jcl.data.dataset_shape import images_of
from jcl.errors import UserError
from jcl.experiment import make_experiment
from jcl.swap import drop_replaced_options


def swapped(get_config, **given):
    config = get_config()
    given = {key.replace("__", "."): value for key, value in given.items()}
    for key, value in given.items():
        section, _, leaf = key.rpartition(".")
        (config[section] if section else config)[leaf] = value
    return config, drop_replaced_options(config, original=get_config(), given=given)


def test_options_go_that_the_new_thing_does_not_take():
    config, (line,) = swapped(simclr_imagenet.get_config, optimizer__name="adamw")
    assert "optimizer.momentum of the config file: dropped with what adamw replaces" in line
    assert config.optimizer.momentum is None
    # What both take stays, and so does what is no option of the thing itself.
    assert (config.optimizer.weight_decay, config.optimizer.learning_rate) == (1e-6, 0.075)


def test_the_size_of_an_encoder_goes_with_it_and_its_kind_stays():
    config, lines = swapped(simclr_vit_imagenet.get_config, encoder__name="vit_b")
    assert (config.encoder.heads, config.encoder.patch_size) == (None, 16)
    assert config.frozen == ("encoder/patch_embedding",)
    assert len(lines) == 1
    config, lines = swapped(simclr_cifar10.get_config, encoder__name="resnet50")
    assert (config.encoder.stem, lines) == ("cifar", [])


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "vit_ti", "vit_l", "mlp", "convnet"])
@pytest.mark.parametrize(
    "get_config", [simclr_fashion_mnist.get_config, simclr_vit_imagenet.get_config]
)
def test_any_encoder_fits_any_config(get_config, name):
    config, _ = swapped(get_config, encoder__name=name)
    experiment = make_experiment(config, images_of(256, 256, 1, examples=10**5))
    assert experiment.method.encoder.dtype
    assert config.frozen in (None, (), ("encoder/patch_embedding",))


def test_a_temperature_of_cosines_is_none_of_distances():
    config, (line,) = swapped(simclr_cifar10.get_config, method__name="rnc")
    assert "method.temperature of the config file: dropped with what rnc replaces" in line
    assert config.method.temperature is None
    config, _ = swapped(simclr_cifar10.get_config, method__name="rnc", method__temperature=1.0)
    assert config.method.temperature == 1.0


def test_a_dataset_takes_its_options_along():
    config, (line,) = swapped(simclr_fashion_mnist.get_config, data__name="shapes")
    assert "data.dir" in line
    assert config.data.dir is None


def test_nothing_goes_that_the_command_line_gives_or_does_not_replace():
    config, lines = swapped(simclr_imagenet.get_config, method__name="dcl", views__name="byol")
    assert (config.method.temperature, lines) == (0.1, [])
    config, lines = swapped(
        simclr_cifar10.get_config, encoder__name="vit_ti", encoder__stem="cifar"
    )
    assert (config.encoder.stem, lines) == ("cifar", [])
    with pytest.raises(UserError, match=r"encoder\.stem='cifar' is set, but .* takes only: depth,"):
        make_experiment(config, images_of(32, 32, 3, examples=10**5))
    # The same name again replaces nothing.
    config, lines = swapped(simclr_vit_imagenet.get_config, encoder__name="vit_s")
    assert (config.encoder.heads, lines) == (12, [])
