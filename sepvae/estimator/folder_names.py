"""What the files of a model folder are called."""

# The files of a model folder.
WEIGHTS, CONFIG, PROVENANCE, CARD = "model.safetensors", "config.json", "provenance.json", "README.md"
# The scale of a matrix of bytes is stored beside it under its name and this.
SCALE = ".scale"
