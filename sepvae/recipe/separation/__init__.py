"""Recipes of the kind `separation`: systems side by side on mixtures, scored and tested."""
