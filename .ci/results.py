"""Write what the guides show of the committed results: `python .ci/results.py`.

The tables of the results' guide, and the picture of all effects, `zoo/results/effects.png`.
"""

import io
import json
import pathlib

import numpy as np

from keras_mixup.bench.table import number
from keras_mixup.zoo import atomic, figures, recipes, report, verdicts

PACKAGE = pathlib.Path(__file__).parent.parent / "keras_mixup"
PAGE = PACKAGE / "guides" / "results.md"
BEGIN, END = "<!-- {}: written by .ci/results.py -->\n", "<!-- end of {} -->\n"
# How what is timed is written by its users.
CALLS = {
    "cast only": "cast to float32 only",
    "mixup": "`dataset.apply(mixup(0.2))`",
    "MixupLayer": "`dataset.map(MixupLayer(0.2))`",
    "keras.layers.MixUp": "`keras.layers.MixUp`",
    "plain TensorFlow": "plain TensorFlow ops",
    "DMixup": "`mix_with(DMixup(2))`",
    "keras.layers.CutMix": "`keras.layers.CutMix`",
    "CutMix": "`mix_with(CutMix(1.0))`",
    "Choice of Mixup, CutMix": "`mix_with(Choice((Mixup(0.8), CutMix(1.0))))`",
    "SmoothMix": "`mix_with(SmoothMix())`",
    "ResizeMix": "`mix_with(ResizeMix())`",
    "FMix, one per batch": '`mix_with(FMix(per="batch"))`',
    "FMix": "`mix_with(FMix())`",
}
# Libraries, and what their mixup and CutMix are called in the figures.
PEERS = {
    "keras_mixup": ("keras_mixup mixup", "keras_mixup CutMix"),
    "Keras 3.15": ("keras.layers.MixUp", "keras.layers.CutMix"),
    "KerasCV 0.9": ("keras_cv MixUp", "keras_cv CutMix"),
    "timm 1.0, one weight per batch": ("timm Mixup, batch", "timm CutMix, batch"),
    "timm 1.0, one weight per example": ("timm Mixup, elem", "timm CutMix, elem"),
    "torchvision 0.29, one weight per batch": ("torchvision MixUp", "torchvision CutMix"),
}
# Results, what was done, the score, the row without and the row with.
COMPARED = (
    ("digits", "300 digits", "error", "erm", "mixup-0.2"),
    ("fashion_mnist", "Fashion-MNIST, 6,000 images", "error", "erm", "mixup-0.2"),
    ("cifar10_small", "CIFAR-10, 5,000 images", "error", "erm", "mixup"),
    ("cifar10_small", "", "nll", "erm", "mixup"),
    ("cifar10_small", "", "ece", "erm", "mixup"),
    ("cifar10_small", "", "error", "erm", "mixupe"),
    ("cifar10_small", "", "error", "erm", "cutmix"),
    ("speech_test_clips", "Speech Commands, test clips", "error", "erm", "mixup-0.1"),
    ("corrupt_labels_small", "Fashion-MNIST, half of the labels wrong", "last_error", "50-erm", "50-mixup"),
    ("corrupt_labels_small", "", "last_error", "50-dropout", "50-both"),
    ("corrupt_labels_10k", "Fashion-MNIST, half of 10,000 labels wrong", "error", "50-erm", "50-mixup"),
    ("corrupt_labels_10k", "", "error", "50-dropout", "50-both"),
    ("digits_attacked", "300 digits, attacked", "white_fgsm", "erm", "mixup-0.2"),
    ("digits_attacked", "", "black_fgsm", "erm", "mixup-0.2"),
    ("digits_attacked", "", "black_ifgsm", "erm", "mixup-0.2"),
    ("adversarial_small", "CIFAR-10, attacked", "white_fgsm", "erm", "mixup"),
    ("adversarial_small", "", "black_fgsm", "erm", "mixup"),
    ("calibration_memorised", "Fashion-MNIST, 6,000 images learnt by heart", "ece", "erm", "mixup-0.2"),
    ("calibration_memorised", "", "nll", "erm", "mixup-0.2"),
    ("calibration_memorised", "", "error", "erm", "mixup-0.2"),
    ("calibration_small", "Fashion-MNIST, 5,000 images", "oe", "erm", "mixup-1.0"),
    ("calibration_small", "", "ece", "erm", "mixup-1.0"),
    ("between", "CIFAR-10, between test images", "miss", "erm", "mixup"),
    ("between", "", "gradient", "erm", "mixup"),
    ("overlap", "Gaussians that overlap by 19 %", "nll", "gaussians-0.1-erm", "gaussians-0.1-mixup"),
    ("semi_supervised_small", "CIFAR-10, 250 labels", "error", "erm", "mixup"),
    ("semi_supervised_small", "", "error", "erm", "mixup-guesses"),
    ("rings", "disc and ring", "undecided", "erm", "mixup"),
)

PICTURE = PACKAGE / "zoo/results/effects.png"
SHOWN = {  # of each verdict: colour, marker, and what it says
    "shown": ("#009e73", "o", "shown: p < 0.05 after Holm's correction, and not against the paper"),
    "refuted": (
        "#d55e00",
        "s",
        "refuted: the interval excludes the paper's figure for the same rows, or the reverse is shown",
    ),
    "open": ("#7f7f7f", "D", "open: neither"),
}
# Scores of which more is better, in percent: what is drawn is the rest.
SHARES = ("covered",)
# What was done and measured; results, score, the row without and the row with; and of the paper the recipe with its
# rows, which have more data and larger networks than ours; None if our own rows are the paper's, False if it has none.
EFFECTS = (
    (
        "Images",
        (
            (
                "CIFAR-10, mixup",
                "cifar10_small",
                "error",
                "erm",
                "mixup",
                ("cifar10", "preact18-erm", "preact18-mixup"),
            ),
            (
                "CIFAR-10, MixupE",
                "cifar10_small",
                "error",
                "erm",
                "mixupe",
                ("cifar10", "preact50-erm", "preact50-mixupe"),
            ),
        ),
    ),
    (
        "Speech, LeNet",
        (
            (
                "mixup, alpha 0.1",
                "speech_test_clips",
                "error",
                "erm",
                "mixup-0.1",
                ("speech_commands", "lenet-erm", "lenet-mixup-0.1"),
            ),
            (
                "mixup, alpha 0.2",
                "speech_test_clips",
                "error",
                "erm",
                "mixup-0.2",
                ("speech_commands", "lenet-erm", "lenet-mixup-0.2"),
            ),
            ("MixupE", "speech_test_clips", "error", "erm", "mixupe", ("speech_mixupe", "lenet-erm", "lenet-mixupe")),
        ),
    ),
    (
        "Wrong labels",
        tuple(
            (
                f"{share} %{of}, {title}",
                name,
                score,
                f"{share}-{pair[0]}",
                f"{share}-{pair[1]}",
                ("corrupt_labels", f"{share}-{pair[0]}", f"{share}-{pair[1]}"),
            )
            for share, of, name, score in (
                (20, "", "corrupt_labels_small", "best_error"),
                (50, "", "corrupt_labels_small", "best_error"),
                (80, "", "corrupt_labels_small", "best_error"),
                (50, " of 10,000", "corrupt_labels_10k", "error"),
            )
            for title, pair in (("mixup against ERM", ("erm", "mixup")), ("both against dropout", ("dropout", "both")))
        ),
    ),
    (
        "Attacked, white box",
        (
            ("CIFAR-10, FGSM", "adversarial_small", "white_fgsm", "erm", "mixup", ("adversarial", "erm", "mixup")),
            ("digits, FGSM", "digits_attacked", "white_fgsm", "erm", "mixup-0.2", ("adversarial", "erm", "mixup")),
        ),
    ),
    (
        "Tables, as in mixup",
        tuple(
            (title, "tabular_published", "error", f"{name}-erm", f"{name}-mixup-0.2", None)
            for name, title in (
                ("abalone", "Abalone"),
                ("arcene", "Arcene"),
                ("arrhythmia", "Arrhythmia"),
                ("htru2", "HTRU2"),
                ("iris", "Iris"),
                ("phishing", "Phishing"),
            )
        ),
    ),
    (
        "Tables, as in MixupE",
        tuple(
            (f"{title}, {kind}", "tabular_published", "error", f"{name}-erm-25", f"{name}-{kind.lower()}-25", None)
            for name, title in (("abalone3", "Abalone in 3 classes"), ("arrhythmia", "Arrhythmia"), ("iris", "Iris"))
            for kind in ("mixup", "MixupE")
        ),
    ),
    (
        "Graphs, as in MixupE",
        tuple(
            (f"{name.upper()}, {kind}", "graphs", "error", f"{name}-erm", f"{name}-{kind.lower()}", None)
            for name in ("mutag", "ptc")
            for kind in ("mixup", "MixupE")
        ),
    ),
    (
        "No paper's figure beside",
        (
            ("CIFAR-10, CutMix", "cifar10_small", "error", "erm", "cutmix", False),
            ("CIFAR-10, mixup: NLL", "cifar10_small", "nll", "erm", "mixup", False),
            ("CIFAR-10, mixup: ECE", "cifar10_small", "ece", "erm", "mixup", False),
            ("Fashion-MNIST, mixup", "fashion_mnist", "error", "erm", "mixup-0.2", False),
            ("Learnt by heart, mixup", "calibration_memorised", "error", "erm", "mixup-0.2", False),
            ("Learnt by heart, mixup: NLL", "calibration_memorised", "nll", "erm", "mixup-0.2", False),
            ("Learnt by heart, mixup: ECE", "calibration_memorised", "ece", "erm", "mixup-0.2", False),
            ("GAN, 8 Gaussians: modes missed", "gan_toy", "covered", "ring-plain", "ring-mixup-0.2-samples", False),
            ("GAN, 25 Gaussians: modes missed", "gan_toy", "covered", "grid-plain", "grid-mixup-0.2-samples", False),
            ("Digits, mixup", "digits", "error", "erm", "mixup-0.2", False),
            ("Digits, FGSM, black box", "digits_attacked", "black_fgsm", "erm", "mixup-0.2", False),
            ("Digits, I-FGSM, black box", "digits_attacked", "black_ifgsm", "erm", "mixup-0.2", False),
            ("250 labels, mixup", "semi_supervised_small", "error", "erm", "mixup", False),
            ("250 labels, mixup of guesses", "semi_supervised_small", "error", "erm", "mixup-guesses", False),
        ),
    ),
)


def effects():
    """Every effect: how a method changes a score, ours and the paper's, in percent of the score without it.

    Returns:
        A list of dicts: `group`, `title`, `n`, `mean` and `interval` of ours, `published`, whether that is of the
        `same` rows, `p_holm` and `verdict`.
    """
    found = []
    for group, entries in EFFECTS:
        for title, name, score, *pair, paper in entries:
            table = json.loads((PACKAGE / f"zoo/results/{name}/table.json").read_text(encoding="utf-8"))
            rows = {row["name"]: row for row in table["rows"]}
            without, with_it = (rows[one] for one in pair)
            if without["seeds"] != with_it["seeds"]:
                raise ValueError(f"The rows compared should have the same seeds. Received: {name}, {pair}.")
            known = with_it["against_baseline"] or {}
            values, others = (_values(row, score) for row in (with_it, without))
            kept = score == with_it["headline"] and score not in SHARES and with_it["baseline"] == pair[0]
            if not kept or "interval" not in known:
                known = verdicts.difference(values - others)
            unit = others.mean() / 100.0
            figures_of = {row.name: row.published for row in recipes.get(paper[0] if paper else name).rows}
            if paper is not False:
                first, second = (figures_of[one].error for one in (paper[1:] if paper else pair))
            found.append(
                {
                    "group": group,
                    "title": title,
                    "n": with_it["n"],
                    "mean": known["mean"] / unit,
                    "interval": known["interval"] and [end / unit for end in known["interval"]],
                    "p": known["p"],
                    # The paper's points, where they are of the same rows; else its percentage.
                    "published": (second - first) / unit if paper is None else paper and 100.0 * (second / first - 1.0),
                    "same": paper is None,
                    "excluded": bool(
                        paper is None
                        and known["interval"]
                        and not known["interval"][0] <= second - first <= known["interval"][1]
                    ),
                }
            )
    for one, p in zip(found, verdicts.holm([one["p"] for one in found]), strict=True):
        differs = p is not None and p < 1.0 - verdicts.CONFIDENCE
        reverse = differs and one["mean"] * (one["published"] or 0.0) < 0
        one["p_holm"] = p
        one["verdict"] = "refuted" if reverse else "shown" if differs else "refuted" if one["excluded"] else "open"
    return found


def _values(row, score):
    """A score of every seed of a row, less being better."""
    values = np.array(row[score]["values"])
    return 100.0 - values if score in SHARES else values


def drawn(found):
    """What the picture shows, as text that is kept in it: a test compares this, and not pixels."""
    return json.dumps([{k: _rounded(v) for k, v in one.items()} for one in found])


def _rounded(value):
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def draw(found, path=PICTURE):
    """Draw all effects, one on each line: of the paper a hollow mark, of ours the mean with its 95 % interval."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    groups = [[one for one in found if one["group"] == name] for name in dict.fromkeys(one["group"] for one in found)]
    lines = np.cumsum([len(group) + 1 for group in groups])
    first = int(np.abs(lines - lines[-1] / 2).argmin()) + 1  # groups of the left column
    with matplotlib.rc_context({**figures.STYLE, "font.size": 10, "savefig.dpi": 100}):
        figure = Figure(figsize=(14.0, 7.6), layout="constrained")
        for axes, shown in zip(figure.subplots(1, 2), (groups[:first], groups[first:]), strict=True):
            _draw_column(axes, shown)
        figure.supxlabel("change of test error or named score, in % of that without; left is better", fontsize=10)
        handles = [
            Line2D([], [], color=colour, marker=marker, linewidth=2.2, label=words)
            for colour, marker, words in SHOWN.values()
        ]
        handles.append(
            Line2D(
                [],
                [],
                color="black",
                marker="|",
                markersize=13,
                markeredgewidth=2.6,
                linewidth=0,
                label="the paper's figure for the same rows",
            )
        )
        handles.append(
            Line2D(
                [],
                [],
                color="black",
                marker="$\\parallel$",
                markersize=12,
                linewidth=0,
                label="the paper's figure for a larger network and more data; ours is not the same experiment",
            )
        )
        figure.legend(handles=handles, loc="outside upper left", fontsize=9, borderaxespad=0.2, ncols=2)
        content = io.BytesIO()
        # No version of the library in it, so that it changes only with what it shows.
        figure.savefig(content, format="png", metadata={"Software": None, "Description": drawn(found)})
    atomic.write(path, content.getvalue())


def _draw_column(axes, groups):
    """Draw the effects of some groups below each other."""
    y, places, reach = 0.0, [], 100.0  # no score falls by more
    for group in groups:
        places.append((y, group[0]["group"], True))
        y += 1.0
        for one in group:
            places.append((y, f"{one['title']}  (n = {one['n']})", False))
            colour, marker, _ = SHOWN[one["verdict"]]
            if one["interval"]:
                low, high = np.clip(one["interval"], -reach, reach)
                axes.plot([low, high], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt", zorder=2)
                for end, kept, arrow in ((one["interval"][0], low, "<"), (one["interval"][1], high, ">")):
                    if end != kept:  # it goes on beyond the frame
                        axes.plot(kept, y, arrow, color=colour, markersize=6, clip_on=False, zorder=2)
            axes.plot(np.clip(one["mean"], -reach, reach), y, marker, color=colour, markersize=6.5, zorder=3)
            if one["published"] is not False:
                axes.plot(one["published"], y, "|", color="black", markersize=13, markeredgewidth=2.6, zorder=4)
                if not one["same"]:
                    axes.plot(one["published"], y, "|", color="white", markersize=9, markeredgewidth=0.9, zorder=5)
            y += 1.0
        y += 0.25
    axes.axvline(0.0, color="0.6", linewidth=1.0, zorder=1)
    axes.set_ylim(y - 0.25, -0.8)
    axes.set_xlim(-1.04 * reach, 1.04 * reach)  # room for what points beyond
    axes.set_yticks([place for place, _, _ in places], [text for _, text, _ in places])
    for label, (_, _, bold) in zip(axes.get_yticklabels(), places, strict=True):
        label.set_fontweight("bold" if bold else "normal")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color="0.9", linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)


def kept(path=PICTURE):
    """What the committed picture shows."""
    from PIL import Image

    with Image.open(path) as image:
        return image.text["Description"]


def table():
    """The table as Markdown."""
    header = ("results", "score", "without", "", "with", "", "difference, 95 % interval", "n")
    lines = [header, ("---", "---", "---", "---:", "---", "---:", "---:", "---:")]
    for name, title, score, *pair in COMPARED:
        folder = f"zoo/results/{name}"
        found = json.loads((PACKAGE / folder / "table.json").read_text(encoding="utf-8"))
        without, with_it = (next(row for row in found["rows"] if row["name"] == one) for one in pair)
        if without["seeds"] != with_it["seeds"]:
            raise ValueError(f"The rows compared should have the same seeds. Received: {name}, {pair}.")
        heading, digits = {"last_error": ("error (%)", 2), **report.columns()}[score]
        values = [np.array(row[score]["values"]) for row in (without, with_it)]
        # What the titles of both rows begin with is said in the first column.
        _, names = report.split_titles([without["title"], with_it["title"]])
        lines.append(
            (
                f"[{title}](../{folder}/table.md)" if title else "",
                heading,
                names[0],
                _spread(values[0], digits),
                names[1],
                _spread(values[1], digits),
                _known(verdicts.difference(values[1] - values[0]), digits),
                str(without["n"]),
            )
        )
    return _as_table(lines)


def _spread(values, digits, sign=""):
    deviation = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):{sign}.{digits}f}{deviation}"


def _known(found, digits):
    """A difference with its interval; bold where that does not hold 0."""
    ends = [f"{end:+.{digits}f}" for end in found["interval"]]
    low, high = found["interval"]
    mean = f"{found['mean']:+.{digits}f}"
    return f"{f'**{mean}**' if low > 0 or high < 0 else mean} [{', '.join(ends)}]"


def speed():
    """What mixing costs in `tf.data`, as Markdown: the first two shapes of the benchmark."""
    large, small = _bench("pipeline")["cases"][:2]
    header = ("", "ms per batch", "next to casting alone", "in processor time", "first batch of an epoch, ms")
    lines = [(*header, f"{_shape(small)}, next to casting"), ("---", *["---:"] * 5)]
    for name, found in large["contenders"].items():
        keys = ("ms", "to_cast", "cpu_to_cast", "first_batch_ms")
        lines.append((CALLS.get(name, name), *(number(found[key]) for key in keys)))
        lines[-1] += (number(small["contenders"][name]["to_cast"]),)
    return _as_table(lines)


def images():
    """From JPEG files to mixed batches, as Markdown."""
    found = _bench("images")
    lines = [("", "images per second", "per core", f"ms per batch of {found['batch']}"), ("---", *["---:"] * 3)]
    for name, one in found["contenders"].items():
        lines.append((name, f"{one['per_second']:,.0f}", f"{one['per_core']:,.0f}", number(one["ms"])))
    return _as_table(lines)


def peers():
    """Beside other libraries, as Markdown."""
    cases = _bench("peers")["cases"]
    sizes = [" x ".join(map(str, case["shape"][1:3])) for case in cases]
    lines = [("", *(f"{kind}, {size}" for size in sizes for kind in ("mixup", "CutMix"))), ("---", *["---:"] * 4)]
    for title, names in PEERS.items():
        found = (case["contenders"][name]["ms"] for case in cases for name in names)
        lines.append((title, *map(number, found)))
    return _as_table(lines)


def _bench(name):
    return json.loads((PACKAGE / f"zoo/results/bench/{name}.json").read_text(encoding="utf-8"))


def _shape(case):
    return " x ".join(map(str, case["shape"][1:]))


def _as_table(lines):
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def written(text):
    """A text with the tables in their places."""
    for name, made in {"results": table, "speed": speed, "images": images, "peers": peers}.items():
        begin, end = BEGIN.format(name), END.format(name)
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = f"{before}{begin}\n{made()}\n{end}{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    draw(effects())
