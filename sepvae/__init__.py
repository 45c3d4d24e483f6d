"""sepvae: source separation and speech augmentation with variational autoencoders.

The path of the data, which is also the path through the files::

    speech on disk ─ corpora ─► utterances ─ mixing ─► mixtures ─ frontend ─► spectra
                                    │                                 │
                                    │      models (networks) + objectives (what to minimise) ─ training ─► estimator
                                    │                                                                          │
                                    │      recording ─ separation, demixing, enhancement ─► waves ─ evaluation ─► scores
                                    │                                                                          │
                                    └─ augmentation (methods) ─ augmented (corpora) ─► speech ─ recognition    report

`estimator` is front-end, networks and masks as one module, and its folder; `demixing` is separation by several
microphones, `enhancement` that of speech from any noise; `recognition` tells what augmented speech is worth.
`systems` puts whatever separates behind one contract, `recipe` runs experiments over all of it, `cli` is the program;
`testing` holds the contracts of all that is chosen by name, as checks.
Importing the package imports nothing heavy: each name below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sepvae.augmentation.augmenter import Augmenter as Augmenter
    from sepvae.corpora.records import open_corpus as open_corpus
    from sepvae.demixing.demixer import Demixer as Demixer
    from sepvae.evaluation.measures import score as evaluate
    from sepvae.plugins import register as register
    from sepvae.separation.separator import Separator as Separator

_LAZY = {
    "Augmenter": ("sepvae.augmentation.augmenter", "Augmenter"),
    "Demixer": ("sepvae.demixing.demixer", "Demixer"),
    "Separator": ("sepvae.separation.separator", "Separator"),
    "evaluate": ("sepvae.evaluation.measures", "score"),
    "open_corpus": ("sepvae.corpora.records", "open_corpus"),
    "register": ("sepvae.plugins", "register"),
}

__all__ = ["Augmenter", "Demixer", "Separator", "evaluate", "open_corpus", "register"]


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name == "__version__":
        from importlib import metadata

        return metadata.version("sepvae")
    if name not in _LAZY:
        raise AttributeError(f"module 'sepvae' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
