"""What a user sees while runs are going on: a bar on a terminal, a line per finished run anywhere else."""

import contextlib


@contextlib.contextmanager
def progress(console, runs, records, describe, summary):
    """Show the progress of several runs.

    Args:
        console: A `rich` console.
        runs: How many runs there are to make.
        records: Records that a run makes, such as one per epoch.
        describe: Function of a record that says where the run stands, and how good it is.
        summary: Function of a result that puts it into words.

    Yields:
        Two functions: `step(label, record)`, to call with each record, and `finished(label, result)` after each run.
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
        task = bar.add_task("starting", total=runs * records, last="")

        def step(label, record):
            where, last = describe(record)
            bar.update(task, advance=1, description=f"{label}, {where}", last=last)

        def finished(label, result):
            nonlocal done
            done += 1
            console.print(f"[{done}/{runs}] {label}: {summary(result)}", markup=False, highlight=False)

        yield step, finished
