"""The table of a recipe: from finished runs to statistics, then as JSON, Markdown and on the terminal."""

import dataclasses

from keras_mixup.zoo import atomic, datasets, measures, recipes
from keras_mixup.zoo.recipe import Title, for_row, of_kind, settable, settings, titled
from keras_mixup.zoo.verdicts import against, in_words, judge, known, statistics

SMOKE = "SMOKE TEST: two steps on generated data. These figures mean nothing."
TITLE = 24
# What a task may score, the first one first in the table: heading, and digits.
SCORES = {
    "error": ("error (%)", 2),
    "rmse": ("RMSE", 3),
    "top5_error": ("top-5 (%)", 2),
    "nll": ("NLL", 3),
    "ece": ("ECE (%)", 2),
    "mape": ("MAPE (%)", 2),
    "mae": ("MAE", 3),
}
STAGES = {"median": "median of last {}", "best": "best epoch", "last": "last epoch"}


def columns(own=()):
    """All that a table may show: `SCORES`, and what the measures give; those of `own` are not of the zoo."""
    return SCORES | measures.columns(tuple(dict.fromkeys((*measures.NAMES, *own))))


def comparisons(recipe, rows):
    """Rows by what they are trained on and with: lists of rows of the same data, network and budget.

    The first row of each list is the baseline of the others.
    """
    groups, treatment = {}, of_kind(recipe, "treatment")
    for row in rows:
        same = dataclasses.replace(for_row(recipe, row), **treatment)
        # A GAN's data are of its method, not of the recipe.
        groups.setdefault((same, getattr(row.method, "data", None)), []).append(row)
    return list(groups.values())


def baseline_of(recipe):
    """What each row is compared with: a dict from names of rows to names of rows; a baseline has its own."""
    return {row.name: group[0].name for group in comparisons(recipe, recipe.rows) for row in group}


def differences(row, baseline, found, headline, splits="apart"):
    """What a row is compared with in its table, seed by seed.

    Args:
        row: A row of a recipe.
        baseline: The name of its baseline, from `baseline_of`.
        found: The finished runs, from `runs.collect`.
        headline: The name of the score to compare by.
        splits: A key of `verdicts.TESTS`.

    Returns:
        A dict: `baseline`, the name of the first row of the same data, network and budget (None: it is this one),
        `against_baseline`, the difference to it as `verdicts.against` gives it, and `against`, a dict of the
        differences to the rows that this one names besides, if it names any that ran.
    """

    def runs(name):
        return [result for result, _ in found.get(name, [])]

    known = {
        name: against(runs(row.name), runs(name), headline, splits)
        for name in (baseline, *row.against)
        if name != row.name
    }
    others = {name: known[name] for name in row.against if known[name]}
    return {
        "baseline": None if baseline == row.name else baseline,
        "against_baseline": known.get(baseline),
        **({"against": others} if others else {}),
    }


def split_titles(titles):
    """The parts that titles begin with in common, and what is left of each, as text."""
    parts = [titled(title).parts for title in titles]
    most = min(map(len, parts)) - 1
    same = next((i for i in range(most) if len({part[i] for part in parts}) > 1), most)
    return ", ".join(parts[0][:same]), [", ".join(part[same:]) for part in parts]


def listing(recipe):
    """The rows of a recipe for a reader, as lines: name, published figure, title, method and settings.

    Rows of the same data, network and budget are listed together, under what they have in common.
    """
    papers = {row.name: row.published and dataclasses.asdict(row.published) for row in recipe.rows}
    quoted = {"rows": [{"published": paper} for paper in papers.values()]}
    marks = sources(quoted)
    figures = {name: published(paper, marks) for name, paper in papers.items()}
    name_width, figure_width = max(map(len, papers)), max(map(len, figures.values()))
    groups = comparisons(recipe, recipe.rows)
    lines = []
    for group in groups:
        titles, shared = [row.title for row in group], {}
        if len(groups) > 1:
            common, titles = split_titles(titles)
            shared = {key: value for key, value in group[0].settings.items() if key not in of_kind(recipe, "treatment")}
            lines += ["", "  " + ": ".join(part for part in (common, _in_words(shared)) if part)]
        for row, title in zip(group, titles, strict=True):
            own = {key: value for key, value in row.settings.items() if key not in shared}
            details = ", ".join(([brief(row.method)] if row.method else []) + ([_in_words(own)] if own else []))
            figure = [f"{figures[row.name]:{figure_width}}"] if marks else []
            words = f"{title}: {details}" if details else title
            lines.append("  ".join(["", f"{row.name:{name_width}}", *figure, words]))
    return [*lines, "", *legend(quoted)] if marks else lines


def brief(method):
    """A method as one would write it: without the arguments that are at their defaults."""
    defaults = {field.name: field.default for field in dataclasses.fields(method)}
    given = {name: getattr(method, name) for name in defaults if getattr(method, name) != defaults[name]}
    given = {"alpha": method.alpha, **given} if "alpha" in defaults else given
    return f"{type(method).__name__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"


def _in_words(settings):
    return ", ".join(f"{field}={_text(value)}" for field, value in settings.items())


def table(recipe, found, smoke=False):
    """The statistics of all finished runs.

    Args:
        recipe: A `Recipe`.
        found: The finished runs, from `runs.collect`.
        smoke: Whether they are trials on generated data.

    Returns:
        A dict that JSON can hold: the recipe's settings; for each row `n` and, for every score, seconds and examples
        per second, the mean, the standard deviation (over n - 1; None for a single run) and the value of each seed; its
        `differences` in the headline score, with the verdicts of `judge`; and where the figures come from.
    """
    baselines = baseline_of(recipe)
    rows, scores, known = [], {}, columns(recipe.measures)
    for row in recipe.rows:
        results = [result for result, _ in found.get(row.name, [])]
        if not results:
            continue
        source = datasets.get(for_row(recipe, row).dataset)
        headline = source.task.headline
        stages = [f"{stage}_{headline}" for stage in STAGES]
        kept = [
            key
            for key in (*known, *stages, "seconds", "examples_per_second")
            if all(key in result for result in results)
        ]
        top5 = len(source.classes) > 10 or (row.published and row.published.top5 is not None)
        scores |= {key: None for key in known if key in kept and (key != "top5_error" or top5)}
        rows.append(
            {
                "name": row.name,
                "title": row.title,
                "parts": row.title.parts,
                "method": row.method and {"name": type(row.method).__name__, **row.method.get_config()},
                "settings": dict(row.settings),
                "headline": headline,
                "n": len(results),
                "seeds": [result["seed"] for result in results],
                **{key: statistics([result[key] for result in results]) for key in kept},
                **timed(results),
                **differences(row, baselines[row.name], found, headline, source.splitting),
                "published": row.published and dataclasses.asdict(row.published),
            }
        )
    judge(rows)
    return {
        "recipe": recipe.name,
        "title": recipe.title,
        "smoke": smoke,
        "dataset": recipe.dataset,
        "network": recipe.network,
        "score": recipe.score,
        "median_of": recipe.median_of,
        "scores": [key for key in known if key in scores],
        "settings": settings(recipe),
        "changed": {} if smoke else changes(recipe),
        "rows": rows,
        **origin(found),
    }


def changes(recipe):
    """The settings in which a recipe is not as its file has it, with the file's values."""
    if recipe.name not in recipes.names():
        return {}
    original = recipes.get(recipe.name)
    fields = [field for field in settable(recipe) if field != "seeds"]
    return {field: getattr(original, field) for field in fields if getattr(original, field) != getattr(recipe, field)}


def timed(results):
    """The seconds of runs by the clock, as a dict; without those that were interrupted, or made before it was kept."""
    values = [result["wall_seconds"] for result in results if "wall_seconds" in result]
    return {"wall_seconds": statistics(values)} if values else {}


def clock(result):
    """The seconds of a run, or of a row of a table, by the clock; if that is not known, those of training alone."""
    return result.get("wall_seconds", result["seconds"])


def origin(found):
    """Where all finished runs come from, and when the last one ended."""
    everything = [result["environment"] for pairs in found.values() for result, _ in pairs]
    environments = [{k: v for k, v in one.items() if k != "date"} for one in everything]
    return {
        # One entry, unless the runs were spread over machines, versions or commits.
        "environments": [one for i, one in enumerate(environments) if one not in environments[:i]],
        "date": max((one["date"] for one in everything), default=None),
    }


def cells(table):
    """The table as text: the headings, then a list of strings for each row.

    Columns that would be empty, or that say what another one does, are left out.
    """
    rows, marks = table["rows"], sources(table)
    headlines = list(dict.fromkeys(row["headline"] for row in rows))
    several = len(_baselines(table)) > 1
    known, shown = columns(table["settings"].get("measures", ())), [("n", lambda row: str(row["n"]))]
    for key in headlines:
        heading, digits = known[key]
        shown.append((_headline(heading, table), _score(key, digits)))
        if any(row["against_baseline"] for row in rows if row["headline"] == key):
            score = f"{heading.split(' (')[0]} " * (len(headlines) > 1)
            shown.append((score + minus(table), _difference(key, digits)))
        if table["score"] != "last":
            name = heading.split(" (")[0]
            others = [stage for stage in ("best", "last") if stage != table["score"]]
            shown += [(heading.replace(name, stage), _score(f"{stage}_{key}", digits)) for stage in others]
    shown += [(known[key][0], _score(key, known[key][1])) for key in table["scores"] if key not in headlines]
    shown.append(("s/run", lambda row: f"{clock(row)['mean']:.1f}"))
    if several and all("examples_per_second" in row for row in rows):
        shown.append(("examples/s", lambda row: f"{row['examples_per_second']['mean']:,.0f}"))
    if marks:
        shown.append(("published", lambda row: published(row["published"], marks)))
    return ["", *(heading for heading, _ in shown)], [[row["title"], *(cell(row) for _, cell in shown)] for row in rows]


def _score(key, digits):
    return lambda row: spread(row.get(key), digits)


def _difference(headline, digits):
    return lambda row: known(row["against_baseline"], digits) if row["headline"] == headline else ""


def _headline(heading, table):
    """The heading of the first score: of which epoch it is, unless of the last."""
    if table["score"] == "last":
        return heading
    name, *unit = heading.split(" (")
    return f"{name}, {_stage(table)}" + "".join(f" ({part}" for part in unit)


def _stage(table):
    return STAGES[table["score"]].format(table["median_of"])


def _baselines(table):
    return [row for row in table["rows"] if row["baseline"] is None]


def minus(table):
    """The heading of the differences."""
    titles = {row["title"] for row in table["rows"] if row["baseline"] is None}
    return f"minus {titles.pop()}" if len(titles) == 1 else "minus baseline"


def sources(table):
    """The sources of the published figures, with how far each was verified: a number for each, and how many digits."""
    found = [row["published"] for row in table["rows"] if row.get("published")]
    digits = {}
    for paper in found:
        decimals = len(str(paper["error"]).partition(".")[2])
        digits[paper["source"]] = max(decimals, digits.get(paper["source"], 0))
    keys = dict.fromkeys((paper["source"], paper["tag"]) for paper in found)
    return {key: (number, digits[key[0]]) for number, key in enumerate(keys, start=1)}


def published(paper, marks):
    """A published figure as text, with `?` if it was not read at its source, and the number that `sources` gives it."""
    if paper is None:
        return ""
    number, digits = marks[paper["source"], paper["tag"]]
    text = f"{paper['error']:.{digits}f}" + (f" ± {paper['std']}" if paper["std"] is not None else "")
    text += f", top-5 {paper['top5']:.{digits}f}" if paper["top5"] is not None else ""
    return f"{text}{'?' * (paper['tag'] != 'verified')} [{number}]"


def spread(statistic, digits, sign=""):
    """A statistic as text: mean ± standard deviation."""
    if statistic is None:
        return ""
    mean = f"{statistic['mean']:{sign}.{digits}f}"
    return mean if statistic["std"] is None else f"{mean} ± {statistic['std']:.{digits}f}"


def notes(table):
    """What a reader needs to know to trust the table: settings, meaning of the columns, origin."""
    return [
        *(line for line in (_settings(table), _changed(table), _meaning(table)) if line),
        *further(table),
        *(measures.get(name).NOTE for name in table["settings"].get("measures", ())),
        *legend(table),
        *machines(table),
    ]


def further(table):
    """The differences to rows other than the baseline, as lines; see `Row.against`."""
    titles, known_scores = {row["name"]: row["title"] for row in table["rows"]}, columns()
    return [
        f"{row['title']}, minus {titles[name]}: {known(one, known_scores.get(row['headline'], ('', 2))[1])}."
        for row in table["rows"]
        for name, one in row.get("against", {}).items()
    ]


def _settings(table):
    differing = list(dict.fromkeys(field for row in table["rows"] for field in row["settings"]))
    shared = {"dataset": table["dataset"], "network": table["network"], **table["settings"]}
    listed = _in_words({field: value for field, value in shared.items() if field not in differing})
    return f"{listed}{'; rows differ in ' * bool(differing)}{', '.join(differing)}."


def _changed(table):
    if not table["changed"]:
        return ""
    values = [f"{field} (there {_text(value)})" for field, value in table["changed"].items()]
    return f"Not as in the recipe: {', '.join(values)}."


def _meaning(table):
    text = "Mean ± standard deviation over n seeds of the scores on the test set after the last epoch"
    if table["score"] != "last":
        text += f"; the first score is that of the {_stage(table)}"
    judged = in_words(table["rows"])
    if judged:
        which = "first row of the same data, network and budget" if len(_baselines(table)) > 1 else "first row"
        text += f"; the difference to the {which} is taken seed by seed (same split, same initial weights), {judged}"
    units = {"nll": "NLL in nats", "ece": "ECE with 15 equal-width bins"}
    return (
        ". ".join([text, "; ".join(unit for key, unit in units.items() if key in table["scores"])]).rstrip(". ") + "."
    )


def legend(table):
    """Whose the published figures are, in lines."""
    lines = [f"[{number}] {source}; {tag}." for (source, tag), (number, _) in sources(table).items()]
    meaning = "Published figures are not ours; ? marks those that were not read at their source."
    return [meaning, *lines] if lines else []


def _text(value):
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


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


def _under_headings(table, lines):
    """Lines whose titles are short, each comparison under what its titles have in common, if there are several."""
    starts = [i for i, row in enumerate(table["rows"]) if row.get("baseline", "") is None]
    if len(starts) < 2:
        return lines
    arranged = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        common, titles = split_titles([Title(*row["parts"]) for row in table["rows"][start:end]])
        arranged.append([common] + [""] * (len(lines[0]) - 1))
        arranged += [[f"  {title}", *line[1:]] for title, line in zip(titles, lines[start:end], strict=True)]
    return arranged


def show(table, console, cells=cells):
    """Print the table on a `rich` console."""
    import rich.box
    import rich.measure
    import rich.table

    header, lines = cells(table)
    lines = _under_headings(table, lines)
    grid = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
    for i, heading in enumerate(header):
        # Headings and long titles may take several lines, figures and words may not.
        widest = max(map(len, [*(line[i] for line in lines), *heading.split()]), default=0)
        grid.add_column(heading, justify="right" if i else "left", min_width=widest if i else min(widest, TITLE))
    for line in lines:
        grid.add_row(*line)
    if table["smoke"]:
        console.print(SMOKE, style="bold")
    least = rich.measure.Measurement.get(console, console.options.update(max_width=1000), grid).minimum
    console.print(grid, width=max(least, console.width), crop=False)
    for line in (*further(table), *legend(table)):
        console.print(line, markup=False, highlight=False)
