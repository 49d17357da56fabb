"""The start of every binary, and its failure: one sentence and a non-zero exit status."""

import argparse
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import jax
from absl import app, flags, logging
from ml_collections import ConfigDict

from jcl.cost.memory import out_of_memory
from jcl.errors import UserError
from jcl.runtime import distributed
from jcl.runtime.exits import EXIT_INTERRUPTED, EXIT_LOST, EXIT_PREEMPTED, EXIT_USER_ERROR
from jcl.runtime.folder import Folder, folder_at
from jcl.runtime.preemption import Preempted

# Words in XLA's errors after another process is gone.
_LOST = re.compile(
    r"UNAVAILABLE|DEADLINE_EXCEEDED|ABORTED|CANCELLED|Gloo|oordination|remote process"
)


# absl shares one object among parsers of the same class and arguments, so these are classes.
class _BareOr(flags.ArgumentParser):
    def __init__(self, bare: str):
        self._bare = bare

    def parse(self, text: str) -> str:
        return self._bare if text == "true" else text

    convert = parse


class _FolderParser(flags.ArgumentParser):
    syntactic_help = "a folder"

    def parse(self, text: str) -> Folder:
        return text if isinstance(text, Folder) else folder_at(text)


def define_optional_string(name: str, bare: str, help: str) -> flags.FlagHolder:
    """A flag with an optional value: `--list` has the value `bare`, `--list=x` the value "x"."""
    flag = flags.Flag(_BareOr(bare), flags.ArgumentSerializer(), name, None, help, boolean=True)
    return flags.DEFINE_flag(flag)


def define_folder(name: str, help: str) -> flags.FlagHolder:
    """A flag that names a folder: see `jcl.runtime.folder`."""
    return flags.DEFINE(_FolderParser(), name, None, help, serializer=flags.ArgumentSerializer())


def parse_flags(argv: Sequence[str]) -> list[str]:
    """Parses a command line of flags only; returns the program's name.

    Raises:
        UserError: the command line has another argument.
    """
    rest = flags.FLAGS(argv)
    if len(rest) > 1:
        raise UserError(f"unexpected argument {rest[1]!r}: only flags (--name=value) are taken")
    return rest


def parse_config(
    argv: Sequence[str],
    config_of: Callable[[], ConfigDict],
    read: Callable[[ConfigDict, Sequence[str]], tuple[ConfigDict, list[str], list[str]]],
) -> tuple[ConfigDict, list[str]]:
    """Parses a command line of flags and of overrides of a config.

    Args:
        argv: the command line.
        config_of: called after the flags were parsed; returns the config without overrides.
        read: (config, command line) -> the config with overrides, the other arguments, messages.

    Returns:
        The config and the messages.
    """
    flags.FLAGS(argv, known_only=True)
    argv = flags.FLAGS.read_flags_from_files(argv, force_gnu=False)
    config, rest, lines = read(config_of(), argv)
    flags.FLAGS.unparse_flags()
    parse_flags(rest)
    return config, lines


def run(main: Callable[[Any], None], parse: Callable[[Sequence[str]], Any] = parse_flags) -> None:
    """Runs `main(parse(argv))`, and exits.

    The exit status is 2, with a sentence on stderr, for a `UserError`, a flag that does not parse,
    or a device out of memory; 75 after a notice of preemption, when the state is saved; 76 after
    the loss of another process; and 130 for Ctrl-C without a state to save. Any other exception is
    a defect of jcl and keeps its traceback.
    """

    def fail(message: object) -> None:
        print(f"error: {distributed.name()}{message}", file=sys.stderr, flush=True)
        leave(EXIT_USER_ERROR)

    def interrupted() -> None:
        print(f"{distributed.name()}interrupted", file=sys.stderr, flush=True)
        leave(EXIT_INTERRUPTED)

    def leave(status: int) -> None:
        if distributed.name():
            distributed.leave(status)
        sys.exit(status)

    def parse_or_fail(argv):
        try:
            parsed = parse(argv)
        except (UserError, flags.Error) as error:
            fail(str(error).splitlines()[0])
        except KeyboardInterrupt:
            interrupted()
        # absl's default is INFO, at which libraries log a lot; --verbosity=0 sets it again.
        if flags.FLAGS["verbosity"].using_default_value:
            flags.FLAGS.verbosity = logging.WARNING
        return parsed

    def main_or_fail(parsed):
        try:
            main(parsed)
        except UserError as error:
            fail(error)
        except Preempted as notice:
            if distributed.is_first():
                print(notice, file=sys.stderr, flush=True)
            sys.exit(EXIT_PREEMPTED)
        except KeyboardInterrupt:
            interrupted()
        except Exception as error:
            if sentence := out_of_memory(error):
                fail(sentence)
            if not distributed.name():
                raise
            traceback.print_exc()
            reason = str(error).splitlines()[0] if str(error) else ""
            if not isinstance(error, jax.errors.JaxRuntimeError) or not _LOST.search(reason):
                leave(1)
            print(
                f"error: {distributed.name()}another process is gone or does not answer "
                f"({reason[:200]}); its own last lines say why, and the same command resumes from "
                "the newest checkpoint",
                file=sys.stderr,
                flush=True,
            )
            leave(EXIT_LOST)

    app.run(main_or_fail, flags_parser=parse_or_fail)


def show(text: str) -> None:
    """Prints a text; the reader may stop early, as in `| head`."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # The flush at the end of the process must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class ArgumentParser(argparse.ArgumentParser):
    """An argument parser whose errors are UserErrors instead of a page of usage."""

    def error(self, message):
        """Raises UserError."""
        raise UserError(message)
