"""Figures as text."""


def table(title, columns, contenders):
    """A row for each contender.

    Args:
        title: The line above.
        columns: For each figure its heading. What nobody has measured gets no column.
        contenders: Dict by name of dicts of figures.
    """
    shown = {key: heading for key, heading in columns.items() if any(key in row for row in contenders.values())}
    width = max(map(len, contenders))
    rows = ["  ".join([" " * width, *shown.values()])]
    for name, figures in contenders.items():
        cells = [f"{number(figures.get(key)):>{len(heading)}}" for key, heading in shown.items()]
        rows.append("  ".join([f"{name:{width}}", *cells]))
    return "\n".join([title, *rows])


def legend(columns):
    """What headings mean, a line each.

    Args:
        columns: For each figure its heading and its meaning.
    """
    return "\n".join(f"{heading:18}{meaning}" for heading, meaning in columns.values())


def headings(columns):
    """The headings alone."""
    return {key: heading for key, (heading, _) in columns.items()}


def number(value):
    """About three digits of it; a dash where it could not be measured."""
    return "-" if value is None else f"{value:.{3 if abs(value) < 1 else 2 if abs(value) < 100 else 0}f}"


def dimensions(shape):
    """A shape as it is written on the command line: 128x224x224x3."""
    return "x".join(map(str, shape))
