"""`python -m sepvae`, which torchrun needs."""

import sys

from sepvae.cli import program

sys.exit(program())
