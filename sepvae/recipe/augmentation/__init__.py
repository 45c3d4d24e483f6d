"""Recipes of the kind `augmentation`: does augmented speech help a recogniser of phones that has to hear new voices?"""
