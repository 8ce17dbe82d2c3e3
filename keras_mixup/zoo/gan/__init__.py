"""Recipes that train GANs: mixtures of Gaussians in the plane (`toy.py`) and small images (`images.py`).

`recipe.py` says what such a recipe holds, `training.py` trains, and each of the two says how to judge and to draw.
"""
