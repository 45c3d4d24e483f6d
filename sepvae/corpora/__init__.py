"""Corpora on disk behind one interface: each reader yields utterance records. The order is that of detection."""

from sepvae.tables import Table

CORPORA = Table(
    "corpus",
    {
        "timit": "sepvae.corpora.timit:Timit",
        "timit-sample": "sepvae.corpora.timit_sample:TimitSample",
        "librispeech": "sepvae.corpora.librispeech:LibriSpeech",
        "vctk": "sepvae.corpora.vctk:Vctk",
        "vivos": "sepvae.corpora.vivos:Vivos",
        "vcc2018": "sepvae.corpora.vcc:Vcc2018",
        "vcc2016": "sepvae.corpora.vcc:Vcc2016",
        "arctic": "sepvae.corpora.arctic:Arctic",
        "folder": "sepvae.corpora.folder:SpeakerFolders",
    },
)
