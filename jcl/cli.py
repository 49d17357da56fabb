"""How every binary starts and how it fails: one sentence and a non-zero exit status."""

import sys
from collections.abc import Callable, Sequence

from absl import app, flags, logging

from jcl.errors import UserError

EXIT_USER_ERROR = 2


def run(
    main: Callable[[Sequence[str]], None],
    parse: Callable[[Sequence[str]], Sequence[str]] = flags.FLAGS,
) -> None:
    """Parses flags with `parse(argv)`, runs `main(rest)`, and exits.

    A `UserError`, or a flag that does not parse, ends with its sentence on stderr and status 2;
    any other exception is a defect of ours and keeps its traceback.
    """

    def fail(message: object) -> None:
        print(f"error: {message}", file=sys.stderr, flush=True)
        sys.exit(EXIT_USER_ERROR)

    def parse_or_fail(argv):
        try:
            rest = parse(argv)
        except (UserError, flags.Error) as error:
            fail(error)
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

    app.run(main_or_fail, flags_parser=parse_or_fail)
