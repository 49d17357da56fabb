"""How every binary starts and how it fails: one sentence and a non-zero exit status."""

import argparse
import difflib
import itertools
import re
import runpy
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from jcl.config import base, flatten
from jcl.errors import UserError
from jcl.runtime import distributed
from jcl.runtime.exits import EXIT_LOST, EXIT_PREEMPTED, EXIT_USER_ERROR
from jcl.runtime.preemption import Preempted

# What XLA says of that, among all that may go wrong in it.
_LOST = re.compile(
    r"UNAVAILABLE|DEADLINE_EXCEEDED|ABORTED|CANCELLED|Gloo|oordination|remote process"
)


def run(
    main: Callable[[Sequence[str]], None],
    parse: Callable[[Sequence[str]], Sequence[str]] = flags.FLAGS,
) -> None:
    """Parses flags with `parse(argv)`, runs `main(rest)`, and exits.

    A `UserError`, or a flag that does not parse, ends with its sentence on stderr and status 2, a
    notice of preemption with status 75 once the state is saved, the loss of another process with
    status 76; any other exception is a defect of ours and keeps its traceback.
    """

    def fail(message: object) -> None:
        print(f"error: {distributed.name()}{message}", file=sys.stderr, flush=True)
        leave(EXIT_USER_ERROR)

    def leave(status: int) -> None:
        if distributed.name():
            distributed.leave(status)
        sys.exit(status)

    def parse_or_fail(argv):
        try:
            check_config_flags(argv)
            rest = parse(argv)
        except (UserError, flags.Error, OSError, ValueError, TypeError) as error:
            # The last three come from ml_collections: an absent config file, a value of a wrong
            # type. Its messages go on with the whole config, from the second line.
            fail(within_config_file(error) or str(error).splitlines()[0])
        # absl would choose INFO, at which libraries talk a lot; --verbosity=0 brings that back.
        if flags.FLAGS["verbosity"].using_default_value:
            flags.FLAGS.verbosity = logging.WARNING
        return rest

    def main_or_fail(argv):
        if len(argv) > 1:
            fail(f"unexpected argument {argv[1]!r}: only flags (--name=value) are taken")
        try:
            main(argv)
        except UserError as error:
            fail(error)
        except Preempted as notice:
            if distributed.is_first():
                print(notice, file=sys.stderr, flush=True)
            sys.exit(EXIT_PREEMPTED)
        except Exception as error:
            if not distributed.name():
                raise
            traceback.print_exc()
            reason = str(error).splitlines()[0] if str(error) else ""
            if not isinstance(error, jax.errors.JaxRuntimeError) or not _LOST.search(reason):
                leave(1)
            print(
                f"error: {distributed.name()}another process is gone or does not answer "
                f"({reason[:200]}); its own last lines say why, and the same command goes on from "
                "the newest checkpoint",
                file=sys.stderr,
                flush=True,
            )
            leave(EXIT_LOST)

    app.run(main_or_fail, flags_parser=parse_or_fail)


class ArgumentParser(argparse.ArgumentParser):
    """For programs that take more than flags: a mistake is a UserError, not a page of usage."""

    def error(self, message):
        """Raises UserError."""
        raise UserError(message)


def within_config_file(error: BaseException) -> str | None:
    """What a config file itself raised, which ml_collections buries in a traceback's text."""
    if "Error whilst parsing config file" not in str(error):
        return None
    while error.__context__ is not None:
        error = error.__context__
    return str(error)


def config_of_file(flag: flags.Flag) -> ConfigDict:
    """What the file that a config flag names says, without the overrides of the command line."""
    path, _, arguments = config_flags.get_config_filename(flag).partition(":")
    namespace = runpy.run_path(path)
    return namespace["get_config"](*filter(None, [arguments]))


def check_config_flags(argv: Sequence[str]) -> None:
    """Raises UserError for a config file that is absent and for a `--config.KEY` that none has."""
    known = flatten(base())
    for argument, following in itertools.zip_longest(argv, argv[1:], fillvalue=""):
        key, given, value = argument.lstrip("-").partition("=")
        path = (value if given else following).partition(":")[0]
        if key == "config" and path and not Path(path).is_file():
            raise UserError(f"the config file {path} does not exist")
        if key.startswith("config.") and key.removeprefix("config.") not in known:
            key = key.removeprefix("config.")
            near = difflib.get_close_matches(key, known, n=3) or sorted(
                name for name in known if "." not in name
            )
            raise UserError(f"config key {key} is unknown; did you mean {' or '.join(near)}?")
