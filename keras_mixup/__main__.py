"""`python -m keras_mixup`, the same as `keras-mixup`."""

from __future__ import annotations

import sys

from keras_mixup.cli import main

if __name__ == "__main__":
    sys.exit(main())
