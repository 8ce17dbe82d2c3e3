"""The picture of a suite, in the zoo's style."""

from keras_mixup.bench import images, model, peers, pipeline
from keras_mixup.bench.table import dimensions
from keras_mixup.zoo.figures import LINES, figure_file, headline


def draw(result, path):
    """Draw what a suite has measured.

    Args:
        result: What the command writes as JSON.
        path: Where to write the PNG.
    """
    {"pipeline": _pipeline, "images": _images, "model": _model, "peers": _peers}[result["suite"]](result, path)


def _pipeline(result, path):
    """A panel of bars for each shape, and one of lines for each series."""
    cases, series = result["cases"], result["series"]
    with figure_file(path, figsize=(max(10.5, 3.3 * len(cases)), 3.2 + 3.0 * bool(series))) as figure:
        parts = figure.subfigures(1 + bool(series), 1, squeeze=False)[:, 0]
        for axes, case in zip(parts[0].subplots(1, len(cases), squeeze=False)[0], cases, strict=True):
            bars(axes, case["contenders"], pipeline.THEIRS, "ms per batch")
            axes.set_title(f"{dimensions(case['shape'])} {case['dtype']}")
        if series:
            explained = None
            for axes, (name, points) in zip(parts[1].subplots(1, len(series)), series.items(), strict=True):
                _lines(axes, name, points)
                if explained != list(points[0]["contenders"]):
                    axes.legend(handlelength=3.2, fontsize=7.5)
                explained = list(points[0]["contenders"])
            base = f"{dimensions(pipeline.BASE)}, {pipeline.CLASSES} classes, 1 call"
            parts[1].suptitle(f"One thing at a time changed from {base}", fontsize=9, x=0.005, ha="left")
        headline(figure if len(parts) == 1 else parts[0], f"tf.data, medians, bars with quartiles{_where(result)}")


def _lines(axes, name, points):
    values = [point["value"] for point in points]
    for line, who in zip(LINES, points[0]["contenders"], strict=False):
        times = [point["contenders"][who]["ms"] for point in points]
        axes.plot(values, times, **line, markersize=4, markerfacecolor="white", linewidth=1.3, label=who)
    axes.set(xscale="log", yscale="log", xlabel=name, ylabel="ms per batch")
    axes.set_xticks(values, map(str, values))
    every = [point["contenders"][who]["ms"] for point in points for who in point["contenders"]]
    ticks = [digit * 10.0**power for power in range(-4, 6) for digit in (1, 2, 5)]
    ticks = [tick for tick in ticks if min(every) / 2.5 <= tick <= 2.5 * max(every)]  # so that there are two at least
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def _model(result, path):
    """The steps, and bytes per second."""
    steps, memory = result["steps"], result["memory"]
    with figure_file(path, figsize=(3.6 * (len(steps) + 1), 2.4)) as figure:
        *panels, last = figure.subplots(1, len(steps) + 1)
        for axes, found in zip(panels, steps, strict=True):
            bars(axes, found["contenders"], {model.WITHOUT}, "ms")
            axes.set_title(f"{result['network']}, {dimensions(found['shape'])}, {'' if found['xla'] else 'no '}XLA")
        rates = {
            f"{what}, {found['from']} to {found['to']}": found[f"{what}_gb_per_s"]
            for found in memory
            for what in ("mix", "copy")
        }
        last.barh(list(rates), list(rates.values()), height=0.6, color=[LINES[1]["color"], "0.7"] * len(memory))
        last.invert_yaxis()
        last.set_xlabel("GB/s, in and out")
        last.set_title(dimensions(memory[0]["shape"]))
        headline(figure, f"train step and mix, medians; {result['device'] or 'no accelerator'}{_where(result)}")


def _images(result, path):
    """One panel of bars."""
    with figure_file(path, figsize=(7.0, 3.0)) as figure:
        axes = figure.subplots()
        theirs = set(result["contenders"]) - {images.DECODED, images.PLAIN, images.MIXED, images.CUT}
        bars(axes, result["contenders"], theirs, f"ms per batch of {result['batch']}")
        axes.set_title(f"JPEG files of {result['kilobytes_per_file']:.0f} kB, {result['cores']} cores")
        headline(figure, f"from files to mixed batches, medians, bars with quartiles{_where(result)}")


def _peers(result, path):
    """A panel of bars for each shape."""
    cases = result["cases"]
    with figure_file(path, figsize=(4.8 * len(cases), 3.4)) as figure:
        for axes, case in zip(figure.subplots(1, len(cases), squeeze=False)[0], cases, strict=True):
            bars(axes, case["contenders"], set(peers.PEERS) - set(peers.OURS.values()), "ms per batch")
            axes.set_title(f"{dimensions(case['shape'])} float32")
        headline(figure, f"one batch mixed, medians and quartiles{_where(result)}")


def bars(axes, contenders, theirs, label):
    """A bar for the median of each contender, ours in colour, with its quartiles."""
    for place, (name, figures) in enumerate(contenders.items()):
        low, high = figures["ms_quartiles"]
        axes.barh(place, figures["ms"], height=0.6, color="0.7" if name in theirs else LINES[1]["color"])
        axes.plot([low, high], [place, place], color="black", linewidth=0.8)
    axes.set_yticks(range(len(contenders)), list(contenders))
    axes.invert_yaxis()
    axes.set_xlabel(label)


def _where(result):
    about = result["environment"]
    return f"\n{about['machine']}; Keras {about['versions']['keras']} on {about['backend']}; {about['date']}"
