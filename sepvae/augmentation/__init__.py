"""New training speech from a corpus: moved latents and classical changes, with labels, manifests and resume."""
