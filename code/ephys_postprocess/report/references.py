"""Papers that the report cites: the short form, as the data dictionary has it, and the reference."""

REFERENCES = {
    "Boussard et al. 2021": (
        "Boussard J, Varol E, Lee HD, Dethe N, Paninski L (2021). Three-dimensional spike localization and "
        "improved motion correction for Neuropixels recordings. Advances in Neural Information Processing Systems "
        "34."
    ),
    "Buccino et al. 2020": (
        "Buccino AP, Hurwitz CL, Garcia S, Magland J, Siegle JH, Hurwitz R, Hennig MH (2020). SpikeInterface, a "
        "unified framework for spike sorting. eLife 9:e61834. doi:10.7554/eLife.61834"
    ),
    "Chung et al. 2017": (
        "Chung JE, Magland JF, Barnett AH, et al. (2017). A fully automated approach to spike sorting. Neuron "
        "95:1381–1394. doi:10.1016/j.neuron.2017.08.030"
    ),
    "Fabre et al. 2023": (
        "Fabre JMJ, van Beest EH, Peters AJ, Carandini M, Harris KD (2023). Bombcell: automated curation and cell "
        "classification of spike-sorted electrophysiology data. Zenodo. doi:10.5281/zenodo.8172821"
    ),
    "Harris et al. 2001": (
        "Harris KD, Hirase H, Leinekugel X, Henze DA, Buzsáki G (2001). Temporal interaction between single "
        "spikes and complex spike bursts in hippocampal pyramidal cells. Neuron 32:141–149. "
        "doi:10.1016/S0896-6273(01)00447-0"
    ),
    "Hill et al. 2011": (
        "Hill DN, Mehta SB, Kleinfeld D (2011). Quality metrics to accompany spike sorting of extracellular "
        "signals. Journal of Neuroscience 31:8699–8705. doi:10.1523/JNEUROSCI.0971-11.2011"
    ),
    "Hruschka et al. 2004": (
        "Hruschka ER, de Castro LN, Campello RJGB (2004). Evolutionary algorithms for clustering gene-expression "
        "data. Fourth IEEE International Conference on Data Mining, 403–406. doi:10.1109/ICDM.2004.10073"
    ),
    "International Brain Laboratory 2022": (
        "International Brain Laboratory, et al. (2022). Spike sorting pipeline for the International Brain "
        "Laboratory. figshare. doi:10.6084/m9.figshare.19705522"
    ),
    "Llobet et al. 2022": (
        "Llobet V, Wyngaard A, Barbour B (2022). Automatic post-processing and merging of multiple spike-sorting "
        "analyses with Lussac. bioRxiv. doi:10.1101/2022.02.08.479192"
    ),
    "Pouzat et al. 2004": (
        "Pouzat C, Delescluse M, Viot P, Diebolt J (2004). Improved spike-sorting by modeling firing statistics "
        "and burst-dependent spike amplitude attenuation: a Markov chain Monte Carlo approach. Journal of "
        "Neurophysiology 91:2910–2928. doi:10.1152/jn.00227.2003"
    ),
    "Schmitzer-Torbert 2005": (
        "Schmitzer-Torbert N, Jackson J, Henze D, Harris K, Redish AD (2005). Quantitative measures of cluster "
        "quality for use in extracellular recordings. Neuroscience 131:1–11. "
        "doi:10.1016/j.neuroscience.2004.09.066"
    ),
    "Siegle et al. 2021": (
        "Siegle JH, Jia X, Durand S, et al. (2021). Survey of spiking in the mouse visual system reveals "
        "functional hierarchy. Nature 592:86–92. doi:10.1038/s41586-020-03171-x"
    ),
}


def cited(texts) -> tuple[str, ...]:
    """The references whose short forms occur in the texts, in the order of the alphabet."""
    joined = "\n".join(texts)
    return tuple(reference for short, reference in sorted(REFERENCES.items()) if short in joined)
