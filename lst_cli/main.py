"""The ``lst`` command. The one place where errors become exit codes."""

from __future__ import annotations

import errno
import io
import os
import sys
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from lst_cli.commands import artifact, config_show, doctor
from lst_cli.commands.common import Settings, no_bucket_root
from lst_cli.commands.data import align, corpus, shards, text, tokenize, units
from lst_cli.commands.models import arch, exchange, finetune, patching, pretrain, push_pull, runs
from lst_cli.commands.scores import evaluate, report
from lst_cli.commands.speech import continuing, speak, transcribe, vocoder
from lst_cli.console import print_error, set_quiet
from lst_cli.distributed.launcher import RUN, sharing_rank, this_rank
from lst_cli.errors import LstError, UserError, causes, is_disk_full
from lst_cli.hub import without_tokens
from lst_cli.storage.remote import is_url
from lst_cli.version import __version__

if TYPE_CHECKING:
    from lst_cli.distributed.ray_ranks import RayOptions

PIPELINE = (
    *("corpus", "units", "tokenize", "align", "text", "shards"),
    *("arch", "patching", "pretrain", "finetune", "runs", "export", "import", "push", "pull"),
    *("transcribe", "vocoder", "speak", "continue"),
    *("eval", "report", "config", "artifact", "doctor"),
)
"""The commands in the order of the pipeline."""


_SHARED = ("corpus", "units", "tokenize", "align", "shards", "vocoder", "eval")
"""Groups with stages that ranks share by work units."""


class RankEngine(str, Enum):
    """Who starts ranks."""

    LOCAL = "local"
    RAY = "ray"


class _InOrder(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        """Typer lists commands before groups of commands; the help follows the pipeline."""
        return sorted(self.commands, key=PIPELINE.index)


app = typer.Typer(
    name="lst",
    cls=_InOrder,
    help="Latent Speech-Text Transformer: from audio to the paper's tables, one command per stage.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# One line per command, by panels of the help.
_DATA = "Data: from audio and text to shards"
app.add_typer(corpus.app, name="corpus", rich_help_panel=_DATA)
app.add_typer(units.app, name="units", rich_help_panel=_DATA)
app.command("tokenize", rich_help_panel=_DATA)(tokenize.tokenize)
app.add_typer(align.app, name="align", rich_help_panel=_DATA)
app.add_typer(text.app, name="text", rich_help_panel=_DATA)
app.add_typer(shards.app, name="shards", rich_help_panel=_DATA)
_MODELS = "Models"
app.add_typer(arch.app, name="arch", rich_help_panel=_MODELS)
app.add_typer(patching.app, name="patching", rich_help_panel=_MODELS)
app.command("pretrain", rich_help_panel=_MODELS)(pretrain.pretrain)
app.command("finetune", rich_help_panel=_MODELS)(finetune.finetune)
app.add_typer(runs.app, name="runs", rich_help_panel=_MODELS)
app.command("export", rich_help_panel=_MODELS)(exchange.export)
app.command("import", rich_help_panel=_MODELS)(exchange.import_)
app.command("push", rich_help_panel=_MODELS)(push_pull.push)
app.command("pull", rich_help_panel=_MODELS)(push_pull.pull)
_SPEECH = "Speech in and out"
app.command("transcribe", rich_help_panel=_SPEECH)(transcribe.transcribe)
app.add_typer(vocoder.app, name="vocoder", rich_help_panel=_SPEECH)
app.command("speak", rich_help_panel=_SPEECH)(speak.speak)
app.command("continue", rich_help_panel=_SPEECH)(continuing.continue_)
_SCORES = "Scores and reports"
app.add_typer(evaluate.app, name="eval", rich_help_panel=_SCORES)
app.command("report", rich_help_panel=_SCORES)(report.report)
_HOUSE = "Configs, artifacts and this machine"
app.add_typer(config_show.app, name="config", rich_help_panel=_HOUSE)
app.add_typer(artifact.app, name="artifact", rich_help_panel=_HOUSE)
app.command("doctor", rich_help_panel=_HOUSE)(doctor.doctor)


def _print_version(value: bool) -> None:
    if value:
        print(f"lst {__version__}")
        raise typer.Exit


@app.callback()
def root_options(
    ctx: typer.Context,
    root: Annotated[
        str, typer.Option(envvar="LST_ROOT", help="Folder of all artifacts; for 'artifact ls' and 'show' also a URL.")
    ] = "artifacts",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only data, warnings and errors.")] = False,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
    ranks: Annotated[
        int | None, typer.Option(min=1, help="Processes that share the command's work, such as one per GPU.")
    ] = None,
    engine: Annotated[
        RankEngine, typer.Option(help="Where they run: on this machine, or on the Ray cluster of RAY_ADDRESS.")
    ] = RankEngine.LOCAL,
    cpus_per_rank: Annotated[int, typer.Option(min=1, help="CPUs that Ray reserves for each of them.")] = 1,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of every command."""
    set_quiet(quiet)
    if is_url(root) and ctx.invoked_subcommand != "artifact":
        raise no_bucket_root(root)
    ray = None
    if engine is RankEngine.RAY and RUN not in os.environ:
        ray = _ray_options(ctx.invoked_subcommand, ranks, cpus_per_rank)
    elif engine is RankEngine.LOCAL and (ranks or 1) > 1 and this_rank().world == 1:
        from lst_cli.distributed.local_ranks import run_ranks

        raise typer.Exit(run_ranks(ranks or 1, sys.argv[1:]))
    ctx.obj = Settings(root=root, debug=debug, command=tuple(map(without_tokens, sys.argv[1:])), ray=ray)


def _ray_options(command: str | None, ranks: int | None, cpus: int) -> RayOptions:
    """What the user asks of Ray.

    :raises UserError: the command is not shared, or this process is a rank of another launcher.
    """
    from lst_cli.distributed.ray_ranks import RayOptions

    if command not in _SHARED:
        raise UserError(
            f"--engine ray: 'lst {command}' has no work units to share",
            expected=f"a stage of {', '.join(_SHARED)}",
            fix="leave out --engine, or give --ranks alone for processes on this machine",
        )
    if sharing_rank().world > 1:
        raise UserError("--engine ray: this process already is a rank", fix="run it without torchrun, srun or an array")
    return RayOptions(ranks=ranks, cpus=cpus)


_FIXES = {
    errno.EACCES: "change the permissions, or give a folder that you may use",
    errno.EPERM: "change the permissions, or give a folder that you may use",
    errno.EROFS: "give a folder on a writable disk with --root or LST_ROOT",
    errno.ENAMETOOLONG: "give a shorter name or path",
    errno.ELOOP: "remove the link that points to itself",
    errno.EFBIG: "write to a file system that allows larger files, with --root or LST_ROOT",
    errno.EMFILE: "raise the limit on open files with 'ulimit -n'",
    errno.EIO: "check the disk: it reports a failed read or write",
    errno.ESTALE: "the network file system lost the file; run the same command again",
}


def as_lst_error(error: Exception) -> LstError | None:
    """The user-facing error for an exception; None if it is a bug in ``lst``."""
    for seen in causes(error):
        if isinstance(seen, LstError):
            return seen
        where = getattr(seen, "filename", None) or "the disk"
        if is_disk_full(seen):
            return UserError(
                f"{where}: no space left on device",
                found=" ".join(str(seen).split()),
                fix="free some space or quota, or give another disk with --root or LST_ROOT",
            )
        if isinstance(seen, OSError) and seen.errno in _FIXES:
            return UserError(f"{where}: {os.strerror(seen.errno)}", fix=_FIXES[seen.errno])
        if isinstance(seen, MemoryError):
            return LstError("out of memory", found=str(seen) or None, fix="use a machine with more memory")
        if isinstance(seen, RecursionError):
            return UserError("an input is nested too deeply", fix="run with --debug to see which")
    return None


def _before_report(error: Exception) -> str:
    """Have an error of all ranks reported by rank 0 alone; for another rank the words that name it."""
    from lst_cli.distributed.launcher import wait_for_rank_0

    try:
        wait_for_rank_0(error)
        number = this_rank().number
    except UserError:  # the launcher's variables are the error
        return ""
    return f"rank {number}: " if number else ""


def main() -> None:
    """Run ``lst`` and exit: 0 done, 2 the user must change something, 1 something failed."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be valid text
    try:
        app(prog_name="lst")  # prints errors of the command line itself, and exits with 2
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        known = as_lst_error(error)
        rank = _before_report(error)
        if known is None:
            print_error(f"{rank}error: {type(error).__name__}: {error}")
            print_error("  this is a bug in lst; run it again with 'lst --debug …' and report the traceback")
            sys.exit(1)
        print_error(f"{rank}error: {known}")
        sys.exit(known.exit_code)


if __name__ == "__main__":
    main()
