r"""Groups the training examples by the features of a run, for `data.groups` of the next run.

    python -m jcl.evaluation.groups --workdir=runs/stage0 --out=data/groups1.npz
    python -m jcl.train --config=... --workdir=runs/stage1 --config.data.groups=data/groups1.npz
    python -m jcl.evaluate --workdir=runs/stage1 --concatenate=runs/stage0

Each batch of the next run comes from one group. Its negatives are therefore similar in the features
that this run has learned, and the next run learns other features. A group smaller than a batch is
left out. The groups of a third run are those of the second, each divided into clusters again.

Source: Zhang et al. 2024, "Learning the Unlearned: Mitigating Feature Suppression in Contrastive
Learning" (MCL), and the authors' code. In that code the history of groups is lost, because the
files of all earlier stages are read from the path of the newest stage.
"""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from jaxtyping import Float, Integer

from jcl import runtime
from jcl.config.place import expanded
from jcl.data.groups import GROUPS, read_groups
from jcl.data.side_file import check_ending, write_side_file
from jcl.data.text.kept import own_tokenizer
from jcl.errors import UserError
from jcl.evaluation.encode import FEATURE_BATCH, output_function
from jcl.experiment import method_of, open_split, read_run_config
from jcl.losses import unit_rows
from jcl.methods.parts.kmeans import cluster_directions
from jcl.probes.extract import extract
from jcl.runtime.folder import folder_at
from jcl.training.checkpoint import read_variables


def write_groups(
    workdir: Path, out: Path, *, clusters: int = 10, seed: int = 0
) -> Integer[np.ndarray, " n"]:
    """Clusters the newest features of a run's training examples, and writes their groups.

    All training examples get a group, also those that the run does not train on because of
    `data.subset` or `data.held_out`. An example's group is c times the number of clusters plus its
    cluster, with c its group in the training of this run, or 0.

    Args:
        workdir: of the run.
        out: the .npz file.
        clusters: number of clusters; 10 in the authors' code.
        seed: of the choice of initial examples.

    Returns:
        The groups.

    Raises:
        UserError: no such run, data that cannot be read, fewer examples than clusters, or a file
            that exists and differs.
    """
    check_ending(out)
    config, _ = read_run_config(folder_at(str(workdir)))
    before = config.data.groups
    with (config := config.copy_and_resolve_references()).unlocked():
        config.data.subset = config.data.held_out = config.data.groups = None
    tokenizer = functools.partial(own_tokenizer, workdir, None)
    train = open_split(config, "train", tokenizer=tokenizer)
    variables, _ = read_variables(workdir, None)
    apply = jax.jit(output_function(config, method_of(workdir), "features"))
    batch_size = min(FEATURE_BATCH, len(train))
    features = extract(functools.partial(apply, variables), train, batch_size=batch_size).features
    groups = cluster_features(features, clusters=clusters, seed=seed)
    name = config.data.name
    if before is not None:
        groups += clusters * read_groups(before, name=name, train=train).astype(np.int64)
    write_side_file(out, GROUPS, groups, name=name, train=train)
    return groups


def cluster_features(
    features: Float[np.ndarray, "n D"], *, clusters: int, seed: int
) -> Integer[np.ndarray, " n"]:
    """k-means of the directions of features: int64 [n], in [0, clusters).

    Raises:
        UserError: fewer features than clusters.
    """
    if not 1 <= clusters <= len(features):
        raise UserError(f"clusters={clusters} is impossible with {len(features)} examples")
    rows = unit_rows(jnp.asarray(features))
    first = jax.random.permutation(jax.random.key(seed), len(rows))[:clusters]
    return np.asarray(jax.jit(cluster_directions)(rows, rows[first])[0], np.int64)


def main(argv: list[str]) -> None:
    """Runs the binary."""
    if len(argv) > 1 or not _WORKDIR.value or not _OUT.value:
        raise UserError("give --workdir and --out")
    workdir, out = (Path(expanded(flag.value)) for flag in (_WORKDIR, _OUT))
    config, _ = read_run_config(folder_at(str(workdir)))
    runtime.configure(config.precision, deterministic=config.deterministic)
    groups = write_groups(workdir, out, clusters=_CLUSTERS.value, seed=_SEED.value)
    sizes = np.unique(groups, return_counts=True)[1]
    print(
        f"{len(sizes)} groups of {sizes.min()} to {sizes.max()} examples: use "
        f"--config.data.groups={out}"
    )


if __name__ == "__main__":
    from jcl.runtime import cli

    _WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
    _OUT = flags.DEFINE_string("out", None, "The .npz file to write.")
    _CLUSTERS = flags.DEFINE_integer("clusters", 10, "Clusters that each group is cut into.")
    _SEED = flags.DEFINE_integer("seed", 0, "Of the choice of initial examples of clusters.")
    cli.run(main)
