"""Experiments as data: a recipe is a YAML file, the program that runs it exists once for all kinds of them."""

from sepvae.tables import Table

KINDS = Table(
    "kind of recipe",
    {
        "separation": "sepvae.recipe.separation.kind:SeparationKind",
        "augmentation": "sepvae.recipe.augmentation.kind:AugmentationKind",
    },
)
