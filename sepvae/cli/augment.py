"""`sepvae augment`: new training speech from a corpus."""

from __future__ import annotations

from typing import Any

from sepvae.cli import augment_fit


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    augment = verbs.add_parser("augment", help="make new training speech from a corpus")
    actions = augment.add_subparsers(dest="action", metavar="ACTION", required=True)
    augment_fit.add(actions, options)
