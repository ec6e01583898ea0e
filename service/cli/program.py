"""All commands in one program.

Modules of commands import at their top what is quick to import alone, so that help and completion
come at once.
"""

import sys
from collections.abc import Sequence

import typer

from service.cli import doctor, job, label, plan, register, segment, serve
from service.cli.failure import CommandError

app = typer.Typer(
    name="fss",
    help="Few-shot segmentation: show a few images with masks of a class, have it marked in "
    "others. Without a command the service is started.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _serve_by_default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        serve.serve()


app.command()(serve.serve)
app.command()(label.label)
app.command()(register.register)
app.command()(segment.segment)
app.add_typer(job.app, name="job")
app.command()(doctor.doctor)
app.command()(serve.openapi)
app.command()(serve.key)
app.command()(plan.plan)
app.command()(plan.plan_measure)
app.command()(plan.simulate)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    try:
        app(args=None if arguments is None else list(arguments))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except CommandError as exc:
        print(f"{exc}", file=sys.stderr)
        return exc.status
    except KeyboardInterrupt:
        return 130
    return 0
