"""Formats of augmented speech: files, archives of features, and tar files of audio."""
