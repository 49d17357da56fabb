"""Overrides on a command line, as the binaries and `--grid` read them."""

import pytest

from configs import simclr_cifar10, simclr_fashion_mnist, simclr_imagenet, simclr_vit_imagenet
from jcl.config.file import read_config_file
from jcl.data.dataset_shape import images_of
from jcl.errors import UserError
from jcl.experiment import make_experiment, read_command_line
from tests.tiny import tiny_config


def overridden(*flags, **changes):
    config, rest, _ = read_command_line(tiny_config(**changes), ["train", *flags, "--workdir=x"])
    assert rest == ["train", "--workdir=x"]
    return config


@pytest.mark.parametrize(
    ("flags", "key", "value"),
    [
        (["--config.total_steps=100"], "total_steps", 100),
        (["--config.total_steps=1e5"], "total_steps", 100_000),
        (["-config.total_steps", "7"], "total_steps", 7),
        (["--config.total_epochs=None"], "total_epochs", None),
        (["--config.total_epochs=2"], "total_epochs", 2.0),
        (["--config.method.temperature=None"], "method.temperature", None),
        (["--config.encoder.widths=(4,8)"], "encoder.widths", (4, 8)),
        (["--config.encoder.widths=4,8"], "encoder.widths", (4, 8)),
        (["--config.encoder.widths=4"], "encoder.widths", (4,)),
        (
            ["--config.encoder.widths=(1,)", "--config.encoder.widths=(2,3)"],
            "encoder.widths",
            (2, 3),
        ),
        (["--config.frozen=('projector',)"], "frozen", ("projector",)),
        (["--config.deterministic"], "deterministic", True),
        (["--config.deterministic=true"], "deterministic", True),
        (["--noconfig.probe.baselines"], "probe.baselines", False),
        (["--config.probe.baselines=0"], "probe.baselines", False),
        (["--config.projector.output_norm"], "projector.output_norm", True),
        (["--config.init_from=", "--config.init_from=x"], "init_from", "x"),
        (["--config.init_from=runs/x"], "init_from", "runs/x"),
        (["--config.init_from", "123"], "init_from", "123"),
        (["--config.init_from=1e5"], "init_from", "1e5"),
        (["--config.init_from=(('encoder','runs/x'),)"], "init_from", (("encoder", "runs/x"),)),
        (["--config.init_from=None"], "init_from", None),
        (
            ["--config.optimizer.groups=(('encoder', {'scale': 0.1}),('a.*/b', None))"],
            "optimizer.groups",
            (("encoder", {"scale": 0.1}), ("a.*/b", None)),
        ),
        (["--config.optimizer.learning_rate=3e-4"], "optimizer.learning_rate", 3e-4),
    ],
)
def test_values_are_read_by_the_type_of_their_key(flags, key, value):
    config = overridden(*flags)
    for part in key.split("."):
        config = config[part]
    assert (config, type(config)) == (value, type(value))


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--config.batch_size=None"], "batch_size=None is impossible: it needs a value"),
        (["--config.batch_size=1.5"], "batch_size='1.5' cannot be read as int"),
        (["--config.batch_size=many"], "batch_size='many' cannot be read as int"),
        (["--config.batch_size=inf"], "batch_size='inf' cannot be read as int"),
        (
            ["--config.probe.templates=a {}"],
            "templates='a {}' cannot be read as tuple: write (1,2) or",
        ),
        (["--config.batch_size"], "--config.batch_size has no value"),
        (["--noconfig.batch_size"], "--noconfig.batch_size cannot be read"),
        (["--config.method.temprature=1"], "takes no such option; it takes temperature"),
        (
            ["--config.method.weight_sigma=1"],
            "weight_sigma='1' is set, but method.name='simclr' takes",
        ),
        (["--config.metod.temperature=1"], "did you mean method.temperature or"),
        (["--config.method=simclr"], "config key method is unknown"),
        (["--config.method.name=simcrl"], "did you mean simclr?"),
        (["--config.probe.knn=1"], "did you mean probe.knn_k"),
        (["--config.optimizer.groups=encoder"], "optimizer.groups has 'encoder', but takes pairs"),
        (
            ["--config.optimizer.encoder_scale=0.1"],
            "encoder_scale is gone: set optimizer.groups=(('encoder', {'scale': 0.1}),)",
        ),
        (["--config.optimizer.encoder_scale=1"], "leave it out, because 1.0 is now the default"),
        (
            ["--config.init_part=encoder"],
            "config key init_part is gone: set init_from=(('encoder', WORKDIR),)",
        ),
        (
            ["--config.probe.projection"],
            "key probe.projection is gone: set probe.outputs=('features', 'projection')",
        ),
        (["--config.probe.projection=False"], "leave it out, because False is now the default"),
        (["--config.probe.baselines=maybe"], "probe.baselines='maybe' cannot be read as bool"),
        (["--config.total_steps=0"], "total_steps=0 is impossible"),
    ],
)
def test_mistakes_get_a_sentence(flags, says):
    with pytest.raises(UserError) as caught:
        overridden(*flags)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_follows_a_bare_dash_is_not_looked_at():
    argv = ["train", "--config.batch_size=32", "--", "--config.batch_size=64"]
    config, rest, _ = read_command_line(tiny_config(), argv)
    assert (config.batch_size, rest) == (32, ["train", "--", "--config.batch_size=64"])


def swapped(get_config, *flags):
    config, _, lines = read_command_line(get_config(), flags)
    return config, lines


def test_options_go_that_the_new_thing_does_not_take():
    config, (line,) = swapped(simclr_imagenet.get_config, "--config.optimizer.name=adamw")
    assert "optimizer.momentum of the config file: dropped with what adamw replaces" in line
    assert "momentum" not in config.optimizer
    # What both take stays, and so does what is no option of the thing itself.
    assert (config.optimizer.weight_decay, config.optimizer.learning_rate) == (1e-6, 0.075)


def test_the_size_of_an_encoder_goes_with_it_and_its_kind_stays():
    config, lines = swapped(simclr_vit_imagenet.get_config, "--config.encoder.name=vit_b")
    assert (config.encoder.heads, config.encoder.patch_size) == (None, 16)
    assert config.frozen == ("encoder/patch_embedding",)
    assert len(lines) == 1
    config, lines = swapped(simclr_cifar10.get_config, "--config.encoder.name=resnet50")
    assert (config.encoder.stem, lines) == ("cifar", [])


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "vit_ti", "vit_l", "mlp", "convnet"])
@pytest.mark.parametrize(
    "get_config", [simclr_fashion_mnist.get_config, simclr_vit_imagenet.get_config]
)
def test_any_encoder_fits_any_config(get_config, name):
    config, _ = swapped(get_config, f"--config.encoder.name={name}")
    experiment = make_experiment(config, images_of(256, 256, 1, examples=10**5))
    assert experiment.method.encoder.dtype
    assert config.frozen in (None, (), ("encoder/patch_embedding",))


def test_groups_of_layers_go_with_the_network_that_has_them():
    groups = (("encoder/class_token", None), ("encoder", {"scale": 0.1}), ("projector", None))
    config = simclr_vit_imagenet.get_config()
    config.optimizer.groups = groups
    name = "--config.encoder.name=resnet18"
    config, _, lines = read_command_line(config, [name])
    assert config.optimizer.groups == groups[1:]
    assert config.frozen == ()
    for said in ("frozen: 'encoder/patch_embedding'", "optimizer.groups: 'encoder/class_token'"):
        assert f"{said} of the config file: dropped, resnet18 has no such part" in lines
    flag = "--config.optimizer.groups=(('encoder/class_token', None),)"
    assert read_command_line(config, [name, flag])[0].optimizer.groups == groups[:1]


def test_a_temperature_of_cosines_is_none_of_distances():
    config, (line,) = swapped(simclr_cifar10.get_config, "--config.method.name=rnc")
    assert "method.temperature of the config file: dropped with what rnc replaces" in line
    assert config.method.temperature is None
    flags = "--config.method.name=rnc", "--config.method.temperature=1.0"
    config, lines = swapped(simclr_cifar10.get_config, *flags)
    assert (config.method.temperature, lines) == (1.0, [])
    for name in ("dcl", "sogclr", "supcon", "supremix"):
        config, lines = swapped(simclr_cifar10.get_config, f"--config.method.name={name}")
        assert (config.method.temperature, lines) == (0.5, [])


def test_bins_stay_bins():
    path = "configs/supremix_fashion_angle.py"
    config, _, lines = read_command_line(read_config_file(path), ["--config.method.name=supcon"])
    assert (config.method.bin_width, lines) == (1.0, [])


def test_networks_go_that_a_method_does_not_take():
    name = "--config.method.name=cross_entropy"
    config, lines = swapped(simclr_fashion_mnist.get_config, name)
    assert "projector.hidden_dim of the config file: dropped" in lines[-1]
    make_experiment(config, images_of(28, 28, 1, examples=10**5))
    with pytest.raises(UserError, match="cross_entropy' takes no projector"):
        swapped(simclr_fashion_mnist.get_config, name, "--config.projector.layers=3")


def test_a_dataset_takes_its_options_along():
    config, (line,) = swapped(simclr_fashion_mnist.get_config, "--config.data.name=shapes")
    assert "data.dir" in line
    assert "dir" not in config.data


def test_nothing_goes_that_the_command_line_gives_or_does_not_replace():
    flags = "--config.method.name=dcl", "--config.views.name=byol"
    config, lines = swapped(simclr_imagenet.get_config, *flags)
    assert (config.method.temperature, config.views.size, lines) == (0.1, 224, [])
    # The same name again replaces nothing.
    config, lines = swapped(simclr_vit_imagenet.get_config, "--config.encoder.name=vit_s")
    assert (config.encoder.heads, lines) == (12, [])


def test_a_name_given_twice_is_the_last_one():
    flags = "--config.encoder.name=vit_b", "--config.encoder.name=vit_s"
    config, lines = swapped(simclr_vit_imagenet.get_config, *flags)
    assert (config.encoder.name, config.encoder.heads, lines) == ("vit_s", 12, [])


def test_a_config_file_takes_arguments_and_its_mistakes_have_a_line(tmp_path):
    assert read_config_file("configs/simclr_imagenet.py:batch=256").batch_size == 256

    def write(text):
        path = tmp_path / "config.py"
        path.write_text(f"from jcl.config import base\ndef get_config():\n{text}\n")
        return str(path)

    whole = write("    config = base()\n    config.method = dict(name='dcl')\n    return config")
    assert read_config_file(whole).method.name == "dcl"
    for text, says in [
        ("    config = base()\n    config.total_stepz = 3", 'line 4: Key "total_stepz" does not'),
        ("    config = base()\n    config.batch_size = 'x'", "line 4: .*batch_size"),
        ("    config = base()\n    config.init_part = 'x'", "line 4: .*'VALUE', WORKDIR"),
        (
            "    config = base()\n    config.probe.projection = True",
            "line 4: .* set probe.outputs=",
        ),
        ("    return {}", "returns no ConfigDict"),
        ("    pass\ndel get_config", r"^the config file \S+ has no function get_config"),
        ("    return (", "line 3: SyntaxError: "),
        (
            "    import nothing_there",
            "line 3: ModuleNotFoundError: No module named 'nothing_there'",
        ),
        ("    return undefined", "line 3: NameError: name 'undefined' is not defined"),
        ("    return get_config()", "line 3: RecursionError: "),
        ("    raise SystemExit(3)", "line 3: SystemExit: 3"),
    ]:
        with pytest.raises(UserError, match=says) as caught:
            read_config_file(write(text))
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"the config file absent\.py does not exist"):
        read_config_file("absent.py:batch=3")
