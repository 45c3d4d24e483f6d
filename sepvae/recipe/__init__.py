"""Experiments as data: a recipe is a YAML file, the program that runs it exists once."""

from sepvae.recipe.run import run_recipe
from sepvae.recipe.schema import Recipe, load_recipe

__all__ = ["Recipe", "load_recipe", "run_recipe"]
