"""Write the table of the results' guide from those that are committed: `python .ci/results.py`."""

import json
import pathlib

import numpy as np

from keras_mixup.zoo import report

PACKAGE = pathlib.Path(__file__).parent.parent / "keras_mixup"
PAGE = PACKAGE / "guides" / "results.md"
BEGIN, END = "<!-- results: written by .ci/results.py -->\n", "<!-- end of results -->\n"
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
    ("digits_attacked", "300 digits, attacked", "white_fgsm", "erm", "mixup-0.2"),
    ("digits_attacked", "", "black_fgsm", "erm", "mixup-0.2"),
    ("digits_attacked", "", "black_ifgsm", "erm", "mixup-0.2"),
    ("adversarial_small", "CIFAR-10, attacked", "white_fgsm", "erm", "mixup"),
    ("adversarial_small", "", "black_fgsm", "erm", "mixup"),
    ("calibration_small", "Fashion-MNIST, 5,000 images", "oe", "erm", "mixup-1.0"),
    ("calibration_small", "", "ece", "erm", "mixup-1.0"),
    ("between", "CIFAR-10, between test images", "miss", "erm", "mixup"),
    ("between", "", "gradient", "erm", "mixup"),
    ("overlap", "Gaussians that overlap by 19 %", "nll", "gaussians-0.1-erm", "gaussians-0.1-mixup"),
    ("semi_supervised_small", "CIFAR-10, 250 labels", "error", "erm", "mixup"),
    ("semi_supervised_small", "", "error", "erm", "mixup-guesses"),
    ("rings", "disc and ring", "undecided", "erm", "mixup"),
)


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
                _known(report.difference(values[1] - values[0]), digits),
                str(without["n"]),
            )
        )
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _spread(values, digits, sign=""):
    deviation = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):{sign}.{digits}f}{deviation}"


def _known(found, digits):
    """A difference with its interval; bold where that does not hold 0."""
    ends = [f"{end:+.{digits}f}" for end in found["interval"]]
    low, high = found["interval"]
    mean = f"{found['mean']:+.{digits}f}"
    return f"{f'**{mean}**' if low > 0 or high < 0 else mean} [{', '.join(ends)}]"


def written(text):
    """A text with the table in its place."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
