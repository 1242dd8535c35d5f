"""How a result was made, as a paragraph for a paper: the parameters its extensions were computed with, and versions."""

from ephys_postprocess.parameters.dictionary import QC_COLUMNS, THRESHOLDS
from ephys_postprocess.parameters.metrics import QUALITY_METRICS, metric_names_of
from ephys_postprocess.report.contents import MethodsText, Run
from ephys_postprocess.report.references import cited

_LOCATORS = {
    "monopolar_triangulation": "monopolar triangulation (Boussard et al. 2021)",
    "grid_convolution": "grid convolution",
    "center_of_mass": "centre of mass",
}


def write_methods(run: Run, extensions, parameters: dict, output: dict, labels: bool) -> MethodsText:
    """The paragraphs; each says only what the result itself tells.

    Parameters
    ----------
    run : Run
    extensions : StoredExtensions
    parameters : dict
        Of the data process; empty where there is none.
    output : dict
        `output_parameters` of the data process; empty where there is none.
    labels : bool
        Whether the page offers Bombcell's labels.
    """
    paragraphs = [
        _processing(run, extensions, parameters, output),
        _localization(extensions),
        _metrics(extensions),
        _criteria(extensions, labels),
        _software(run, output),
    ]
    paragraphs = tuple(paragraph for paragraph in paragraphs if paragraph)
    return MethodsText(paragraphs, cited(paragraphs))


def _processing(run, extensions, parameters, output) -> str:
    made = f"ephys-postprocess {run.version} with {run.stored_by}" if run.version else run.stored_by
    sentences = [f"Sorted units were postprocessed by {made} (Buccino et al. 2020)."]
    if run.is_filtered is False:
        sentences.append("The traces were used as recorded: they were not filtered before.")
    if parameters.get("use_motion_corrected"):
        sentences.append("Traces were corrected for the motion estimated by the preprocessing.")
    threshold = parameters.get("duplicate_threshold")
    if threshold is not None:
        removed = output.get("num_duplicate_units_removed")
        told = f" ({removed} of {run.num_units_in} units)" if removed is not None and run.num_units_in else ""
        sentences.append(f"Units with more than {threshold:.0%} of their spikes in another were removed{told}.")
    spikes, waveforms = extensions.params("random_spikes"), extensions.params("waveforms")
    if spikes and waveforms:
        most = spikes.get("max_spikes_per_unit")
        some = f"up to {most} spikes per unit" if spikes.get("method") == "uniform" and most else "spikes"
        sentences.append(
            f"Templates are averages of the waveforms of {some}, from {waveforms['ms_before']:g} ms before to "
            f"{waveforms['ms_after']:g} ms after the spike{_sparsity(parameters)}."
        )
    noise = extensions.params("noise_levels")
    if noise.get("method") in ("mad", "std"):
        measure = {"mad": "from the median absolute deviation", "std": "as the standard deviation"}[noise["method"]]
        sentences.append(f"The noise of each channel was estimated {measure} of its traces in randomly chosen chunks.")
    return " ".join(sentences)


def _sparsity(parameters) -> str:
    sparsity = parameters.get("sparsity") or {}
    if sparsity.get("method") == "radius" and "radius_um" in sparsity:
        return f", on the channels within {sparsity['radius_um']:g} µm of the unit's main channel"
    return f", on channels chosen by {sparsity['method']}" if sparsity.get("method") else ""


def _localization(extensions) -> str:
    sentences = []
    for name, what in (("unit_locations", "Units"), ("spike_locations", "Spikes")):
        method = extensions.params(name).get("method")
        if method:
            sentences.append(f"{what} were localized by {_LOCATORS.get(method, method.replace('_', ' '))}.")
    similarity, correlograms = extensions.params("template_similarity"), extensions.params("correlograms")
    if similarity.get("method"):
        sentences.append(f"Similarity of templates is their {similarity['method']} similarity.")
    if correlograms:
        sentences.append(
            f"Correlograms span {correlograms['window_ms']:g} ms in bins of {correlograms['bin_ms']:g} ms."
        )
    components = extensions.params("principal_components")
    if components:
        sentences.append(
            f"Waveforms were projected on {components['n_components']} principal components per channel "
            f"({components['mode'].replace('_', ' ')}{', whitened' if components.get('whiten') else ''})."
        )
    return " ".join(sentences)


def _metrics(extensions) -> str:
    params = extensions.params("quality_metrics")
    names = metric_names_of(params)
    if not names:
        return ""
    phrases = [_phrase(name, (params.get("metric_params") or {}).get(name) or {}) for name in names]
    text = f"Quality metrics: {', '.join(phrases)}."
    upsampling = extensions.params("template_metrics").get("upsampling_factor")
    if upsampling:
        text += f" Metrics of the waveform's shape were taken from templates upsampled {upsampling}-fold."
    return text


def _phrase(name: str, params: dict) -> str:
    phrase = QUALITY_METRICS[name].phrase if name in QUALITY_METRICS else ""
    phrase = phrase or name.replace("_", " ")
    try:
        return phrase.format(**params)
    except (KeyError, TypeError, ValueError):  # a result of another version, whose parameters have other names
        return phrase.split(" (")[0]


def _criteria(extensions, labels) -> str:
    if not extensions.has("quality_metrics"):
        return ""
    rules = ", ".join(f"{name} {THRESHOLDS[name].text()}" for name in QC_COLUMNS)
    text = f"Default thresholds of this report ({THRESHOLDS[QC_COLUMNS[0]].source}): {rules}."
    if labels:
        text += " Labels called bombcell are SpikeInterface's, with its default thresholds (Fabre et al. 2023)."
    return text


def _software(run, output) -> str:
    versions = output.get("versions") or {}
    if not versions:
        return f"The result was written by {run.stored_by}."
    return f"Software: {', '.join(f'{name} {version}' for name, version in versions.items())}."
