"""How long mixing takes: `keras-mixup bench --suite pipeline | model | peers`.

`turns.py` is how contenders are timed fairly; `pipeline.py`, `model.py` and `peers.py` are what is timed; `table.py`
and `figure.py` show it; `command.py` is the command.
"""
