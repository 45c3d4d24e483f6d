"""The command line: one program, one file per verb, each a few lines over the Python API.

Nothing heavy is imported before a verb runs, so that `sepvae --help` answers at once.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from sepvae import signals
from sepvae.cli.printing import printing_any_name
from sepvae.errors import FAULT, PLEASE_REPORT, Cancelled, ConfigError, MissingExtra, SepvaeError, Terminated
from sepvae.plugins import VARIABLE, from_environment, load

VERBS = (
    "corpus",
    "mix",
    "train",
    "separate",
    "enrol",
    "demix",
    "enhance",
    "augment",
    "evaluate",
    "report",
    "recipe",
    "model",
    "info",
)
_INTERRUPTED = 130
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# What goes on where it was stopped; the others begin anew, and so do those of which something is kept with --out alone.
_RESUMED = {
    *("separate", "enhance", "demix", "train", "mix", "recipe run", "augment run", "corpus fetch", "corpus mixtures"),
}
_RESUMED_WITH_OUT = {"evaluate"}


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, but not the empty ones, and leaves the lines of a text that has several as they are."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if hasattr(action, "default_of_setting"):
            default = action.default_of_setting()
            return action.help if default is None or default == () else f"{action.help} (default: {default})"
        # Not `in`, for which the seed 0 would be False.
        empty = action.default is None or action.default is False or action.default in ([], argparse.SUPPRESS)
        if empty or not action.option_strings:
            return action.help
        return super()._get_help_string(action)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Return a text of several lines as it is."""
        return text if "\n" in text else super()._fill_text(text, width, indent)


class _Parser(argparse.ArgumentParser):
    """Tells of unknown arguments with the usage of the verb that was given them."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        found, others = super().parse_known_args(args, namespace)
        if others:
            self.error(f"unrecognized arguments: {' '.join(others)}")
        return found, others


class _OnStderr(logging.Handler):
    """Writes messages to what is stderr at the time: bars take its place to have them above."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(f"{self.format(record)}\n")
        except Exception:
            self.handleError(record)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    parser = _Parser(
        prog="sepvae",
        description="Separate mixed speech with variational autoencoders: from a corpus on disk to scores and a page.",
        epilog="Start with 'sepvae recipe run demo --out out/demo'.",
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-q", "--quiet", action="store_true", help="no progress, warnings only")
    common.add_argument("-v", "--verbose", action="store_true", help="tell more")
    _add_plugin(common)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for verb in VERBS:
        module = importlib.import_module(f"sepvae.cli.{verb}")
        module.add(verbs, {"parents": [common], "formatter_class": _HelpFormatter})
    return parser


def _add_plugin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="MODULE",
        help=f"load entries of the tables from a module or FILE.py of yours; repeat (or set {VARIABLE})",
    )


def _load_plugins(argv: Sequence[str]) -> None:
    """Load the plug-ins of the environment and the arguments: the parser offers what they register.

    Raises:
        ConfigError: one cannot be imported.
    """
    known = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    _add_plugin(known)
    load([*from_environment(), *known.parse_known_args(argv)[0].plugin])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    It is 1 when an input failed, 2 for wrong usage, and 128 and the signal (130 for Ctrl-C, 143 for SIGTERM) for a run
    that was stopped, which closes what is open first.
    """
    argv = sys.argv[1:] if argv is None else argv
    parsed = argparse.Namespace()
    try:
        with signals.raising():
            return _run(argv, parsed)
    except (KeyboardInterrupt, Cancelled):
        code, how = _INTERRUPTED, "interrupted"
    except Terminated as end:
        code, how = 128 + end.number, "terminated"
    # Whoever read the messages may be gone too.
    with contextlib.suppress(OSError):
        sys.stderr.write(f"sepvae: {how}; run the same command again{_more(argv, parsed)}\n")
    return code


def _more(argv: Sequence[str], args: argparse.Namespace) -> str:
    """Return what the same command does that was stopped: it goes on, or begins anew."""
    words = [word for word in argv if not word.startswith("-")]
    resumed = _RESUMED | _RESUMED_WITH_OUT if getattr(args, "out", None) else _RESUMED
    return " to continue" if not resumed.isdisjoint({" ".join(words[:1]), " ".join(words[:2])}) else ""


def _leave_stdout() -> None:
    """Let what is still to be written to stdout go nowhere: it would fail again when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _saying_what_needs_torch(verb: str) -> Iterator[None]:
    """Raise MissingExtra where something takes torch, and there is none."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "torch":
            raise
        raise MissingExtra(f"'sepvae {verb}' as it is asked for", "torch") from error


def _run(argv: Sequence[str], parsed: argparse.Namespace) -> int:
    """Run the command line, whose arguments are put into `parsed`, and return its exit code, when nobody stops it."""
    try:
        _load_plugins(argv)
    except ConfigError as error:
        sys.stderr.write(f"sepvae: error: {error}\n")
        return 2
    parser = build_parser()
    try:
        # Help on settings looks at what they are of.
        with _saying_what_needs_torch(" ".join(argv[:1])):
            args = parser.parse_args(argv, parsed)
    except MissingExtra as error:
        sys.stderr.write(f"sepvae: error: {error}\n")
        return 1
    if args.version:
        from importlib import metadata

        sys.stdout.write(f"sepvae {metadata.version('sepvae')}\n")
        return 0
    if args.verb is None:
        parser.print_help()
        return 2
    try:
        with _telling(args), printing_any_name(), _saying_what_needs_torch(args.verb):
            code = int(args.run(args))
            sys.stdout.flush()
            return code
    except ConfigError as error:
        sys.stderr.write(f"sepvae: error: {error}\n")
        return 2
    except SepvaeError as error:
        sys.stderr.write(f"sepvae: error: {error}\n")
        return 1
    except BrokenPipeError:
        # The reader of our output has gone, as in `sepvae … | head`: nothing is wrong, and nothing more to say.
        _leave_stdout()
        return 0
    except OSError as error:
        if error.filename is not None or error.errno not in _DISK:
            raise
        # No file of ours: those have errors of their own.
        _leave_stdout()
        sys.stderr.write("sepvae: error: cannot write to stdout: the disk is full: free some space\n")
        return 1


@contextlib.contextmanager
def _telling(args: argparse.Namespace) -> Iterator[None]:
    """Tell on stderr as much as was asked for; whoever calls `main` has logging and progress as before afterwards."""
    from sepvae import progress

    handler, logger = _OnStderr(), logging.getLogger("sepvae")
    handler.setFormatter(logging.Formatter("sepvae: %(message)s"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if args.quiet else logging.DEBUG if args.verbose else logging.INFO)
    try:
        with progress.configured(quiet=args.quiet):
            yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def program() -> int:
    """Run the command line as a program: what nobody foresaw is told as a fault of ours, without a traceback.

    It is no part of `main`, so that whoever calls that, as our tests do, has the exception itself.
    """
    # Read when torch is loaded. Threads that wait by spinning take the cores from each other where another process is
    # busy: ten seconds of audio then take 17 s to separate, and 4.5 s with threads that sleep.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        code = main()
        signals.ignore_from_here()
        return code
    except Exception as error:
        import traceback

        if {"-v", "--verbose"} & set(sys.argv):
            traceback.print_exc()
        what = f"{type(error).__name__}: {error!s:.500}"
        sys.stderr.write(f"sepvae: error: {FAULT} ({what}): {PLEASE_REPORT}\n")
        return 1
