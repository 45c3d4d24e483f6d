"""Experiments as data: a recipe is a YAML file, the program that runs it exists once."""

from sepvae.tables import Table

KINDS = Table(
    "kind of recipe",
    {
        "separation": "sepvae.recipe.separation.schema:Recipe",
        "augmentation": "sepvae.recipe.augmentation.schema:AugmentRecipe",
    },
)
