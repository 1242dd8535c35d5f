"""scikit-learn's PCA models, rebuilt from the plain arrays that a stored analyzer holds instead of pickles."""

import numpy as np

PREFIX = "pca_model_"
ATTRIBUTES = (
    "components",
    "mean",
    "var",
    "singular_values",
    "explained_variance",
    "explained_variance_ratio",
    "noise_variance",
    "n_samples_seen",
)


def restore_pca_models(analyzer):
    """Put scikit-learn models into an analyzer's `principal_components`, where SpikeInterface looks for them.

    Afterwards `get_pca_model`, `project_new`, `run_for_all_spikes` and `export_to_phy` work as after a stock run;
    without it they find no model and leave zeros (0.105.3). The models live in memory; saving the analyzer elsewhere
    pickles them beside the arrays, as stock does.

    `run_for_all_spikes`, and with it `export_to_phy`, projects traces that are not scaled to µV, and the first segment
    only: that is SpikeInterface's own doing. `AllSpikeProjections` projects what was fitted.

    Parameters
    ----------
    analyzer : SortingAnalyzer
        With a `principal_components` extension that holds `pca_model_components` and its siblings. Units or channels
        may have been selected, merged or split since.

    Returns
    -------
    IncrementalPCA or list of IncrementalPCA
        What `get_pca_model` now returns: a list, one per channel, for `by_channel_local`. A channel that no unit could
        fit has a model without attributes, as in stock.

    Raises
    ------
    KeyError
        If the extension holds no such arrays.
    """
    extension = analyzer.get_extension("principal_components")
    mode, whiten = extension.params["mode"], extension.params["whiten"]
    arrays = {name: np.asarray(extension.data[PREFIX + name]) for name in ATTRIBUTES}
    if mode != "by_channel_local":
        extension.data[f"{PREFIX}{mode}"] = _model(arrays, 0, whiten)
        return extension.get_pca_model()
    # by id: the arrays keep all channels when a selection of channels was made
    rows = {
        channel_id: row for row, channel_id in enumerate(np.asarray(extension.data[PREFIX + "channel_ids"]).tolist())
    }
    for channel_id in analyzer.channel_ids:
        extension.data[f"{PREFIX}{mode}_{channel_id}"] = _model(arrays, rows[_as_plain(channel_id)], whiten)
    return extension.get_pca_model()


def _as_plain(channel_id):
    return channel_id.item() if isinstance(channel_id, np.generic) else channel_id


def _model(arrays, row, whiten):
    from sklearn.decomposition import IncrementalPCA  # two seconds to import, and only needed here

    num_components, num_features = arrays["components"].shape[1:]
    model = IncrementalPCA(n_components=num_components, whiten=bool(whiten))
    if arrays["n_samples_seen"][row] == 0:
        return model
    for name in ATTRIBUTES:
        value = arrays[name][row]
        setattr(model, f"{name}_", value.copy() if value.ndim else value)
    model.n_components_ = num_components
    model.n_features_in_ = num_features
    return model
