"""`jcl.load`: what the function takes, refuses and converts, and what comes along with it."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

import jcl
from jcl.data import InMemorySource
from jcl.data.dataset_shape import shape_of
from jcl.data.identity import identity
from jcl.data.sources.decode import decode_image
from jcl.errors import UserError
from jcl.evaluation.encoder_inputs import EncoderInputs
from jcl.evaluation.preprocess import Preprocess
from jcl.experiment import make_experiment
from jcl.methods.base import Variables
from jcl.runtime import workdir
from jcl.training.checkpoint import Checkpoints
from tests.pairs import WORDS, pairs
from tests.tiny import one_device, tiny_config, tiny_experiment, tiny_source


def saved(folder, config, experiment, data):
    with Checkpoints(folder, keep=1) as checkpoints:
        checkpoints.save(experiment.init_state(one_device()), 1)
    workdir.write_config(folder, config)
    if data is not None:
        workdir.write_run(folder, start_step=0, origin=None, options={}, data=identity(data))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = tiny_config()
    return saved(tmp_path_factory.mktemp("run"), config, tiny_experiment(config), tiny_source())


@pytest.fixture(scope="module")
def loaded(run):
    return jcl.load(run)


IMAGES = np.random.RandomState(3).randint(0, 256, (2, 8, 8, 3), np.uint8)


def test_bytes_and_their_floats_have_the_same_features_inside_of_jit_too(loaded):
    features, params = loaded
    assert features.input_shape == (8, 8, 3)
    wanted = features(params, IMAGES)
    assert np.abs(wanted).max() > 1e-3
    for same in (
        IMAGES / np.float32(255),
        jnp.asarray(IMAGES),
        (IMAGES / 255).astype(np.float64),
        list(IMAGES),
        {"image": IMAGES},
        (IMAGES / 255).astype(">f4"),
        (IMAGES / 255 * (1 + 1e-7)).astype(np.float32),
        [PIL.Image.fromarray(image) for image in IMAGES],
    ):
        np.testing.assert_allclose(features(params, same), wanted, atol=1e-6)
    np.testing.assert_allclose(jax.jit(features)(params, IMAGES), wanted, atol=1e-6)
    halved = jax.jit(lambda p, x: features(p, x.astype(jnp.float32) / 255))(params, IMAGES)
    np.testing.assert_allclose(halved, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (IMAGES.astype(np.float32), r"float32 from \d to 2\d\d: it takes uint8 0...255, or floats"),
        (IMAGES / 127.5 - 1, r"float64 from -\S+ to"),
        (np.full(IMAGES.shape, np.nan, np.float32), "from nan to nan"),
        (IMAGES.astype(np.int64), "pixels as int64: it takes uint8"),
        (IMAGES.astype(np.uint16), "pixels as uint16"),
        (IMAGES > 100, "pixels as bool"),
        (IMAGES[:, :7], r"takes image \[N, 8, 8, 3\], but this is uint8\[2, 7, 8, 3\].*preprocess"),
        (IMAGES[..., :1], r"uint8\[2, 8, 8, 1\]"),
        (IMAGES.transpose(0, 3, 1, 2), r"channels come last, x.transpose\(0, 2, 3, 1\)"),
        (IMAGES[0], r"give a batch, x\[None\]"),
        (IMAGES.reshape(2, -1), r"uint8\[2, 192\]"),
        ([IMAGES[0], IMAGES[1, :7]], "several shapes are no batch"),
        ({"text": IMAGES}, "takes image, but it is given text"),
        (IMAGES / np.float32(250), "float32 from 0 to 1.0"),
        ("a.jpg", r"this is <U5\[\]"),
        (np.ma.masked_less(IMAGES, 9), "masked values"),
        (IMAGES.tolist(), "pixels as int64"),
    ],
)
def test_what_the_encoder_was_not_trained_on_is_refused(wrong, says, loaded):
    features, params = loaded
    with pytest.raises(UserError, match=says):
        features(params, wrong)


def test_other_params_than_those_that_were_returned_are_named(loaded):
    features, params = loaded
    for wrong in (params["params"], IMAGES):
        with pytest.raises(UserError, match=r"other params than jcl.load returned"):
            features(wrong, IMAGES)


def test_what_is_traced_is_refused_by_its_shape_and_dtype(loaded):
    features, params = loaded
    for wrong in (IMAGES[:, :7], IMAGES.astype(np.int32)):
        with pytest.raises(UserError, match=r"the encoder of .* (takes image|is given pixels)"):
            jax.jit(features)(params, wrong)


def test_another_output_is_chosen_and_a_missing_one_named_at_once(run):
    projection, params = jcl.load(run, output="projection")
    lengths = np.linalg.norm(projection(params, IMAGES), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)
    with pytest.raises(UserError, match="'heads' is asked for, but the method has features, proj"):
        jcl.load(run, output="heads")


def test_a_run_without_a_record_takes_any_size_and_refuses_other_channels(tmp_path):
    config = tiny_config()
    features, params = jcl.load(saved(tmp_path, config, tiny_experiment(config), None))
    assert features.input_shape == (None, None, None)
    assert features(params, np.zeros((2, 9, 8, 3), np.uint8)).shape == (2, 8)
    with pytest.raises(UserError, match=r"not trained on image like uint8\[2, 9, 8, 1\]"):
        features(params, np.zeros((2, 9, 8, 1), np.uint8))
    with pytest.raises(UserError, match="from 0 to 255"):
        features(params, np.array([0, 255.0]).reshape(1, 1, 2, 1).repeat(3, -1))


@pytest.mark.slow
def test_the_size_that_a_config_asks_for_holds_without_a_record(tmp_path):
    config = tiny_config(**{"data.image_size": 8})
    features, params = jcl.load(saved(tmp_path, config, tiny_experiment(config), None))
    assert features(params, IMAGES).shape == (2, 8)
    with pytest.raises(UserError, match=r"takes image \[N, 8, 8, C\], but this is uint8"):
        features(params, jnp.zeros((2, 9, 8, 3), jnp.uint8))


def two_towers(vocabulary):
    return tiny_config(
        **{
            "method.name": "clip",
            "views.name": "image_and_text",
            "encoder.name": "mlp",
            "encoder.widths": (4,),
            "text_encoder.name": "token_bag",
            "text_encoder.vocabulary": vocabulary,
            "text_encoder.width": 6,
            "text_projector.output_dim": 8,
        }
    )


@pytest.mark.slow
def test_the_tower_of_texts(tmp_path):
    config = two_towers(vocabulary=len(WORDS))
    source = InMemorySource(pairs("train", renderings=1))
    experiment = make_experiment(config, shape_of(source))
    folder = saved(tmp_path, config, experiment, source)
    text, params = jcl.load(folder, output="text/features")
    example = source.batch(np.arange(3))
    assert text.input_shape == example["text"].shape[1:]
    assert text.preprocess is None
    given = {"text": example["text"], "text_mask": example["text_mask"]}
    found = text(params, given)
    on_device = jax.tree.map(jnp.asarray, given)
    wanted = experiment.method.outputs(Variables(**params), on_device)["text/features"]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    with pytest.raises(UserError, match="texts that have a mask"):
        text(params, example["text"])
    far = {**given, "text": example["text"] + 10**6, "text_mask": np.ones_like(given["text_mask"])}
    with pytest.raises(UserError, match="has a vocabulary of"):
        text(params, far)
    with pytest.raises(UserError, match=r"with text_mask \[3, 1\]"):
        text(params, {**given, "text_mask": given["text_mask"][:, :1]})


def test_of_several_images_and_texts_of_an_example_one_is_given(tmp_path, monkeypatch):
    config = two_towers(vocabulary=9)
    arrays = {
        "image": np.zeros((16, 3, 8, 8, 3), np.uint8),
        "image_mask": np.ones((16, 3), bool),
        "text": np.zeros((16, 2, 5), np.int32),
        "text_mask": np.ones((16, 2, 5), bool),
    }
    source = InMemorySource(arrays)
    workdir.write_config(tmp_path, config)
    workdir.write_run(tmp_path, start_step=0, origin=None, options={}, data=identity(source))
    shapes = make_experiment(config, shape_of(source)).state_shapes(one_device()).probed
    monkeypatch.setattr("jcl.evaluation.load.read_variables", lambda *_: (shapes, 1))
    image, params = jcl.load(tmp_path)
    assert image.input_shape == (8, 8, 3)
    assert jax.eval_shape(image, params, IMAGES).shape == (2, 4)
    assert image.preprocess(IMAGES).shape == IMAGES.shape
    text, params = jcl.load(tmp_path, output="text/features")
    assert text.input_shape == (5,)
    given = {key: arrays[key][:, 0] for key in ("text", "text_mask")}
    assert jax.eval_shape(text, params, given).shape == (16, 6)


def test_vectors_and_videos():
    vectors = EncoderInputs("it", "features", (3,), "float32")
    assert vectors.checked(np.ones((2, 3)))["features"].shape == (2, 3)
    for wrong, says in (
        (np.ones((2, 4)), r"takes features \[N, 3\]"),
        (np.ones((2, 3), int), "as floats, but these are int64"),
        (np.array([[1, 2, np.inf]]), "not finite"),
    ):
        with pytest.raises(UserError, match=says):
            vectors.checked(wrong)
    videos = EncoderInputs("it", "video", (None, 4, 5, 3), "uint8")
    assert videos.checked(np.zeros((2, 7, 4, 5, 3), np.uint8))["video"].shape[1] == 7
    with pytest.raises(UserError, match=r"takes video \[N, T, 4, 5, 3\].*\(0, 1, 3, 4, 2\)"):
        videos.checked(np.zeros((2, 7, 3, 4, 5), np.uint8))
    deep = EncoderInputs("it", "image", (4, 4, 1), "uint16")
    assert deep.checked(np.full((1, 4, 4, 1), 60_000, np.uint16))["image"].max() == 60_000
    with pytest.raises(UserError, match=r"pixels as uint8: it takes uint16 0\.\.\.65535"):
        deep.checked(np.zeros((1, 4, 4, 1), np.uint8))


def png(array):
    file = io.BytesIO()
    PIL.Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def test_preprocess_gives_what_evaluation_reads_of_the_same_files(loaded, tmp_path):
    features, params = loaded
    large = np.random.RandomState(5).randint(0, 256, (30, 21, 3), np.uint8)
    (tmp_path / "a.png").write_bytes(png(large))
    wanted = decode_image(png(large), channels=3, image_size=8)
    one = features.preprocess([tmp_path / "a.png", str(tmp_path / "a.png"), png(large), large])
    for found in (*one, *features.preprocess(large), *features.preprocess(large[None])):
        np.testing.assert_array_equal(found, wanted)
    pillow = features.preprocess([PIL.Image.fromarray(large).convert("CMYK").convert("RGB")])
    assert pillow.shape == (1, 8, 8, 3)
    assert len(features.preprocess(tmp_path.glob("*.png"))) == 1
    grey = features.preprocess(large[..., 0])
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])
    np.testing.assert_array_equal(features.preprocess(IMAGES), IMAGES)
    assert features(params, one).shape == (4, 8)


def test_preprocess_names_what_it_cannot_read(loaded, tmp_path):
    preprocess = loaded[0].preprocess
    (tmp_path / "text.jpg").write_text("no image")
    for wrong, says in (
        (tmp_path / "gone.jpg", "gone.jpg cannot be read: .*No such file"),
        (tmp_path / "text.jpg", "text.jpg cannot be read"),
        ([IMAGES[0], np.zeros((3, 9, 9), np.uint8)], r"image 1 is uint8\[3, 9, 9\], but it must"),
        (np.zeros((1, 9, 9, 3), np.float32), r"image 0 is float32\[9, 9, 3\]"),
        ([], "no images"),
        (7, "given as a int"),
        (PIL.Image.fromarray(np.zeros((9, 9), np.float32)), "32 bits per pixel"),
    ):
        with pytest.raises(UserError, match=says):
            preprocess(wrong)


def test_images_that_are_no_squares_pass_as_they_are_and_others_are_refused():
    wide = Preprocess("it", None, (4, 6, 3))
    image = np.random.RandomState(0).randint(0, 256, (4, 6, 3), np.uint8)
    np.testing.assert_array_equal(wide([png(image), image]), [image, image])
    with pytest.raises(UserError, match=r"image 0 is uint8\[4, 7, 3\], but it takes \[4, 6, 3\]"):
        wide(np.zeros((1, 4, 7, 3), np.uint8))
    unknown = Preprocess("it", None, (None, None, None))
    with pytest.raises(UserError, match="several sizes"):
        unknown([image, image[:3]])
