"""Manifests of augmented corpora in the forms that other toolkits open."""
