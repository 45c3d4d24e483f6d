"""`python -m sepvae`, which torchrun needs."""

import sys

from sepvae.cli import main

sys.exit(main())
