"""Parameters as they are declared: what a stage is called with when nobody asks for anything else."""

from ephys_postprocess.parameters.extensions import EXTENSIONS
from ephys_postprocess.parameters.metrics import METRICS_OF


def of_metric(name, extension="quality_metrics", **changed):
    """All keyword arguments of a metric's function."""
    return METRICS_OF[extension][name]().arguments() | changed


def of_pc_metrics(names=("mahalanobis", "d_prime", "nearest_neighbor", "silhouette"), **changed):
    """Metric: its parameters, some of them changed by `changed`, {metric: {name: value}}."""
    return {name: of_metric(name, **changed.get(name, {})) for name in names}


def of_extension(name, without=(), **changed):
    """All keyword arguments of an extension's stage."""
    params = EXTENSIONS[name]().arguments() | changed
    return {key: value for key, value in params.items() if key not in without}
