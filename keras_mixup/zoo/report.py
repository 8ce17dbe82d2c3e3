"""The table of a recipe: from finished runs to statistics, then as JSON, Markdown and on the terminal."""

import dataclasses

import numpy as np

from keras_mixup.zoo import atomic
from keras_mixup.zoo.recipe import settings

SMOKE = "SMOKE TEST: two steps on generated data. These figures mean nothing."


def table(recipe, found, smoke=False):
    """The statistics of all finished runs.

    Args:
        recipe: A `Recipe`.
        found: The finished runs, from `runs.collect`.
        smoke: Whether they are trials on generated data.

    Returns:
        A dict that JSON can hold: the recipe's settings; for each row `n` and, for error, NLL, ECE and seconds, the
        mean, the standard deviation (over n - 1; None for a single run) and the value of each seed; and where the
        figures come from. `against_first` is the difference in error to the first row, seed by seed.
    """
    rows, baseline = [], None
    for row in recipe.rows:
        results = [result for result, _ in found.get(row.name, [])]
        if not results:
            continue
        errors = {result["seed"]: result["error"] for result in results}
        if row is recipe.rows[0]:
            baseline = errors
        shared = [seed for seed in errors if baseline and row is not recipe.rows[0] and seed in baseline]
        rows.append(
            {
                "name": row.name,
                "title": row.title,
                "method": row.method and {"name": type(row.method).__name__, **row.method.get_config()},
                "n": len(results),
                "seeds": [result["seed"] for result in results],
                **{key: statistics([r[key] for r in results]) for key in ("error", "nll", "ece", "seconds")},
                "against_first": statistics([errors[s] - baseline[s] for s in shared]) if shared else None,
                "published": row.published and dataclasses.asdict(row.published),
            }
        )
    return {
        "recipe": recipe.name,
        "title": recipe.title,
        "smoke": smoke,
        "dataset": recipe.dataset,
        "network": recipe.network,
        "settings": settings(recipe),
        "rows": rows,
        **origin(found),
    }


def origin(found):
    """Where all finished runs come from, and when the last one ended."""
    everything = [result["environment"] for pairs in found.values() for result, _ in pairs]
    environments = [{k: v for k, v in one.items() if k != "date"} for one in everything]
    return {
        # One entry, unless the runs were spread over machines, versions or commits.
        "environments": [one for i, one in enumerate(environments) if one not in environments[:i]],
        "date": max((one["date"] for one in everything), default=None),
    }


def statistics(values):
    """Mean, standard deviation over n - 1, and the values themselves."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "std": spread, "values": list(values)}


def cells(table):
    """The table as text: the headings, then a list of strings for each row.

    A column of published figures appears only if a row has one, and names its source and tag in every cell.
    """
    baseline = table["rows"][0]["title"] if table["rows"] else ""
    header = ["", "n", "error (%)", f"minus {baseline}", "NLL", "ECE (%)", "s/run"]
    published = any(row["published"] for row in table["rows"])
    lines = []
    for row in table["rows"]:
        lines.append(
            [
                row["title"],
                str(row["n"]),
                spread(row["error"], 2),
                spread(row["against_first"], 2, sign="+"),
                spread(row["nll"], 3),
                spread(row["ece"], 2),
                f"{row['seconds']['mean']:.1f}",
            ]
        )
        if published:
            paper = row["published"]
            lines[-1].append(f"{paper['error']} ({paper['source']}; {paper['tag']})" if paper else "")
    return header + ["published error (%)"] * published, lines


def spread(statistic, digits, sign=""):
    """A statistic as text: mean ± standard deviation."""
    if statistic is None:
        return ""
    mean = f"{statistic['mean']:{sign}.{digits}f}"
    return mean if statistic["std"] is None else f"{mean} ± {statistic['std']:.{digits}f}"


def notes(table):
    """What a reader needs to know to trust the table: settings, meaning of the columns, origin."""
    settings = ", ".join(f"{key}={value}" for key, value in table["settings"].items())
    lines = [
        f"Data set {table['dataset']}, network {table['network']}, {settings}.",
        "Mean ± standard deviation over n seeds of the scores on the test set after the last epoch; the difference to "
        "the first row is taken seed by seed (same split, same initial weights). NLL in nats; ECE with 15 equal-width "
        "bins.",
    ]
    return lines + machines(table)


def machines(table):
    """Where a table comes from, in lines."""
    commits = {}
    for one in table["environments"]:
        versions = ", ".join(f"{name} {version}" for name, version in one["versions"].items())
        machine = f"{one['machine']}; {one['backend']} backend; {versions}"
        commits.setdefault(machine, []).extend([one["commit"]] if one["commit"] else [])
    lines = [f"{machine}{', commit ' * bool(names)}{' and '.join(names)}." for machine, names in commits.items()]
    return [*lines, f"Last run finished {table['date']}."]


def markdown(table, cells=cells, notes=notes):
    """The table as Markdown, with its notes; `cells` and `notes` put it into words."""
    header, lines = cells(table)
    align = ["---"] + ["---:"] * (len(header) - 1)
    body = ["| " + " | ".join(line) + " |" for line in [header, align, *lines]]
    warning = [f"**{SMOKE}**", ""] if table["smoke"] else []
    return "\n".join([f"# {table['title']}", "", *warning, *body, "", *[f"- {note}" for note in notes(table)], ""])


def write(table, out, cells=cells, notes=notes):
    """Write `table.json` and `table.md` into a folder."""
    atomic.write(out / "table.json", table)
    atomic.write(out / "table.md", markdown(table, cells, notes))


def show(table, console, cells=cells):
    """Print the table on a `rich` console."""
    import rich.box
    import rich.table

    header, lines = cells(table)
    grid = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for i, heading in enumerate(header):
        grid.add_column(heading, justify="right" if i else "left", no_wrap=i < 7)
    for line in lines:
        grid.add_row(*line)
    if table["smoke"]:
        console.print(SMOKE, style="bold")
    console.print(grid)
