"""How long mixing takes: `keras-mixup bench --suite pipeline | images | model | peers`.

`turns.py` is how contenders are timed fairly; `pipeline.py`, `images.py`, `model.py` and `peers.py` are what is timed,
`family.py` the methods among it; `table.py` and `figure.py` show it; `command.py` is the command.
"""
