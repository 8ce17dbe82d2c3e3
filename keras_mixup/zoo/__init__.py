"""The zoo: recipes, each a table of a paper or of ours, and what it takes to rerun them.

A recipe (`recipes/`) is data: it names a data set (`datasets/`), a network (`networks/`), a budget, and rows. `runs.py`
trains every row with every seed through the one training loop (`train.py`) and keeps each run in a folder; `report.py`
and `figures.py` turn those folders into a table and pictures. `keras-mixup` (`keras_mixup/cli.py`) drives all of it.
"""
