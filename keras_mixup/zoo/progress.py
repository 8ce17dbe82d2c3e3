"""What a user sees while runs are going on: a bar on a terminal, a line per finished run anywhere else."""

import contextlib
import sys


@contextlib.contextmanager
def progress(console, records, summary):
    """Show the progress of several runs.

    Args:
        console: A `rich` console.
        records: Of each run that is to make, how many records it makes, such as one per epoch.
        summary: Function of a result that puts it into words.

    Yields:
        Three functions. `step(label, describe, *records)` is to call with each record, and a function that says of one
        where the run stands, and how good it is; with several, they are of a run that is resumed. `report(label, line,
        passing=False)` shows a line about a run until the next, or for good on stderr. `finished(label, result)` is to
        call after each run; without a result if another process has it.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    done = 0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[last]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=sum(records), last="")

        def step(label, describe, *given):
            where, last = describe(given[-1])
            shown = {"description": f"{label}, {where}", "last": last}
            if len(given) > 1:  # not to be taken for the speed of this process
                bar.reset(task, completed=sum(records[:done]) + len(given), **shown)
            else:
                bar.update(task, advance=1, **shown)

        def report(label, line, passing=False):
            if passing:
                bar.update(task, description=f"{label}, {line}")
            else:
                print(f"{label}: {line}", file=sys.stderr, flush=True)

        def finished(label, result=None):
            nonlocal done
            done += 1
            bar.update(task, completed=sum(records[:done]))
            what = "left to the process that is making it, or what it needs" if result is None else summary(result)
            console.print(f"[{done}/{len(records)}] {label}: {what}", markup=False, highlight=False)

        yield step, report, finished
