"""A study: how the rows of a kind of recipe are trained, tabulated and drawn."""

from keras_mixup.zoo import datasets, measures, networks, report
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.recipe import for_row


class Study:
    """What the command line, sweeps and notebooks need of a kind of recipe. A kind is a subclass.

    Args:
        recipe: The recipe.
    """

    pictures = ()  # the names of those that every run of the recipe draws
    no_preview = None  # why there is no preview, if there is none
    one_device_only = False

    def __init__(self, recipe):
        self.recipe = recipe

    def packages(self, smoke=False):
        """The packages that a run needs beside those that every recipe does, as pairs of a module and a name.

        Raises:
            UserError: If something of your own that the recipe names is not there.
        """
        raise NotImplementedError

    def small(self):
        """The same recipe cut down to a few steps of every row."""
        raise NotImplementedError

    def enough(self):
        """Rows that together try out all that the recipe needs, once each."""
        return self.recipe.rows

    def load(self, row, seed, data_dir=None, smoke=False):
        """The data of a seed, the same for every row that names no data of its own."""
        raise NotImplementedError

    def same_data(self, row, other):
        """Whether two rows learn from the same examples."""
        return True

    def steps(self, row):
        """How many records a run makes."""
        raise NotImplementedError

    def train(self, row, seed, data, on_record, folder, engine, report):
        """Train and test the network of a row; checkpoints and what is to be kept are written to `folder`."""
        raise NotImplementedError

    def progress(self, row, record):
        """What to show of a record: where it stands, and how good."""
        raise NotImplementedError

    def summary(self, result):
        """What to print of a finished run."""
        raise NotImplementedError

    def table(self, found, smoke=False):
        """The statistics of all finished runs, as a dict that JSON can hold."""
        raise NotImplementedError

    def scores(self, table):
        """The scores that matter most, as a dict from their names to headings and digits."""
        raise NotImplementedError

    def cells(self, table):
        """The table as text: the headings, then a list of strings for each row."""
        raise NotImplementedError

    def notes(self, table):
        """What a reader needs to know to trust the table."""
        raise NotImplementedError

    def write(self, table, out):
        """Write `table.json` and `table.md` into a folder."""
        report.write(table, out, self.cells, self.notes)

    def show(self, table, console):
        """Print the table on a `rich` console."""
        report.show(table, console, self.cells)

    def draw(self, found, out, smoke=False):
        """Draw all finished runs into a folder; return the names of the pictures."""
        raise NotImplementedError

    def preview(self, row, data, path, smoke=False):
        """Draw what mixing does to the data of a row."""
        raise NotImplementedError

    def _needs(self):
        """The packages that read the data sets; all that the rows name is looked up."""
        needs = {}
        for row in self.recipe.rows:
            own = for_row(self.recipe, row)
            source = datasets.get(own.dataset)
            needs[own.dataset] = source.needs
            if own.strangers:
                needs[own.strangers] = datasets.get(own.strangers).needs
            networks.get(own.network)
            for name in own.measures:
                measures.get(name)
            if getattr(row.method, "cuts", False) and len(source.shape) != 3 and not own.at:
                raise UserError(
                    f"`method` should not cut where there are no images, as in {own.dataset}. "
                    f"Received: {type(row.method).__name__}, in the row {row.name}."
                )
        return tuple(needs[name] for name in sorted(needs))
