"""From utterances to mixtures that can be rebuilt bit for bit from a manifest."""

from sepvae.mixing.manifest import Manifest, Mixture, Source, read_manifest, write_manifest
from sepvae.mixing.mixture import Rendered, render
from sepvae.mixing.scene import Scene

__all__ = ["Manifest", "Mixture", "Rendered", "Scene", "Source", "read_manifest", "render", "write_manifest"]
