"""Manifests of augmented corpora in the forms that other toolkits open."""

from typing import Literal, get_args

# Those of the files in manifests.
Paths = Literal["relative", "absolute"]
PATHS: tuple[Paths, ...] = get_args(Paths)
