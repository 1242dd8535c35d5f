"""What every location method starts from: one number a contact, their center of mass, triangulation's first guess."""

from dataclasses import dataclass, fields

import numpy as np

from ephys_postprocess.kernels.solvers.trust_region import search

INITIAL_Z_UM = 20.0
HAIRS_BREADTH = 1e-8  # relative: about what forward differences miss of a derivative


@dataclass(frozen=True)
class PointSources:
    """Amplitudes seen by contacts, one problem per row, contacts packed left."""

    amplitudes: np.ndarray  # float64 (num_problems, max_num_contacts) 0 beyond a problem's own contacts
    x_um: np.ndarray  # float64, same shape
    y_um: np.ndarray  # float64, same shape
    is_contact: np.ndarray  # bool, same shape: False beyond a problem's own contacts

    def __getitem__(self, rows):
        return PointSources(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def num_residuals(self):
        """int64 (num_problems,)"""
        return self.is_contact.sum(axis=1)

    def residuals(self, points):
        """float64, shape of `amplitudes`: what is left of them; `points` is (num_problems, 4) x, y, z, alpha."""
        return np.where(self.is_contact, self.amplitudes - points[:, 3:] / self._distances(points), 0.0)

    def derivatives(self, points, residuals):
        """(gradient (num_problems, 4), Jᵀ J (num_problems, 4, 4)) of half the sum of squared residuals."""
        inverse = np.where(self.is_contact, 1.0 / self._distances(points), 0.0)
        cubed = points[:, 3:] * inverse * inverse * inverse
        along_x, along_y = points[:, 0:1] - self.x_um, points[:, 1:2] - self.y_um
        jacobian = np.stack([cubed * along_x, cubed * along_y, cubed * points[:, 2:3], -inverse], axis=1)
        gradient = (jacobian * residuals[:, np.newaxis, :]).sum(axis=2)
        return gradient, (jacobian[:, :, np.newaxis, :] * jacobian[:, np.newaxis, :, :]).sum(axis=3)

    def _distances(self, points):
        along_x, along_y = self.x_um - points[:, 0:1], self.y_um - points[:, 1:2]
        return np.sqrt(along_x**2 + along_y**2 + points[:, 2:3] ** 2)


def initial_guess(sources, max_distance_um):
    """Where the search starts and how far it may go.

    Returns
    -------
    start, low, high : float64 (num_problems, 4)
        x, y, z (µm) and alpha (amplitude × µm); NaN where no contact has an amplitude.

    References
    ----------
    spikeinterface.postprocessing.localization_tools.make_initial_guess_and_bounds, with its rounding to float32.
    """
    rows = np.arange(sources.amplitudes.shape[0])
    amplitudes = np.where(sources.is_contact, sources.amplitudes, -np.inf)
    best = amplitudes.argmax(axis=1) if amplitudes.shape[1] else rows
    highest = sources.amplitudes[rows, best]
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = centers_of_mass(sources)
    from_best = np.hypot(centre[:, 0] - sources.x_um[rows, best], centre[:, 1] - sources.y_um[rows, best])
    start = np.empty((rows.size, 4), dtype=np.float32)
    start[:, :2] = centre
    start[:, 2] = INITIAL_Z_UM
    start[:, 3] = np.sqrt(from_best**2 + INITIAL_Z_UM**2) * highest
    low = np.zeros((rows.size, 4))
    high = np.empty((rows.size, 4))
    low[:, :2] = start[:, :2] - np.float32(max_distance_um)
    high[:, :2] = start[:, :2] + np.float32(max_distance_um)
    low[:, 2] = 1.0
    high[:, 2] = max_distance_um * 10
    high[:, 3] = highest * max_distance_um
    return start.astype(np.float64), low, high


def centers_of_mass(sources):
    """float64 (num_problems, 2): mean contact position weighted by amplitude, µm; NaN where the amplitudes sum to 0."""
    total = sources.amplitudes.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.column_stack(
            [(sources.amplitudes * position).sum(axis=1) / total for position in (sources.x_um, sources.y_um)]
        )


def contact_features(windows, feature, num_before):
    """One number a contact from windows around spikes, or from templates.

    Parameters
    ----------
    windows : float32 (num_windows, num_samples, num_contacts)
    feature : str
        "ptp" (peak to peak), "energy" (root of the sum of squares), "mean" or "peak_voltage" (at `num_before`).
    num_before : int
        Samples before the spike.

    Returns
    -------
    float64 (num_windows, num_contacts)
        In the unit of `windows`; "mean" and "peak_voltage" keep their sign.
    """
    if feature == "ptp":
        return (windows.max(axis=1) - windows.min(axis=1)).astype(np.float64)
    if feature == "energy":
        return np.sqrt((windows.astype(np.float64) ** 2).sum(axis=1))
    if feature == "mean":
        return windows.mean(axis=1, dtype=np.float64)
    return windows[:, num_before].astype(np.float64)


def place_sources(features, channels, channel_locations_um):
    """`PointSources` of features (num_problems, max_num_contacts) on packed channels (-1 beyond a problem's own)."""
    is_contact = channels >= 0
    return PointSources(
        amplitudes=np.where(is_contact, features, 0.0),
        x_um=channel_locations_um[channels, 0],
        y_um=channel_locations_um[channels, 1],
        is_contact=is_contact,
    )


def triangulate_least_squares(sources, max_distance_um):
    """The point source whose 1 / distance fall-off fits each row of amplitudes best.

    Parameters
    ----------
    sources : PointSources
    max_distance_um : float
        Bounds x and y around the center of mass, z (ten times as far) and alpha.

    Returns
    -------
    found : float64 (num_problems, 4)
        x, y, z in µm and alpha; NaN where there is nothing to fit.
    is_unfinished : bool (num_problems,)
        True where the evaluations ran out before a minimum was reached.

    References
    ----------
    Boussard et al. 2021, doi 10.1101/2021.11.05.467503. The search takes scipy's steps, with an exact Jacobian instead
    of forward differences, because stock's answers are where that search stops rather than the exact minimum.
    """
    return search(sources, *initial_guess(sources, max_distance_um))


def triangulate_twice(sources, max_distance_um):
    """`triangulate_least_squares`, and how far each answer depends on the last bit of an operation.

    Searches that run out of evaluations have all but arrived or hop between bounds; then only the very same operations
    as SpikeInterface's surely lead to the same place. Both searches of a problem are made side by side, because an
    iteration takes as long for twenty unfinished problems as for ten.

    Returns
    -------
    found : float64 (num_problems, 4)
    strayed_um : float64 (num_problems,)
        How far away a search ends that starts a hair's breadth beside; 0 where the search arrived, or there was none.
    """
    start, low, high = initial_guess(sources, max_distance_um)
    twice = np.tile(np.arange(len(start)), 2)
    starts = np.concatenate([start, start * (1.0 + HAIRS_BREADTH)])
    both, is_unfinished = search(sources[twice], starts, low[twice], high[twice])
    found, beside = np.split(both, 2)
    return found, np.where(is_unfinished[: len(start)], np.abs(beside - found)[:, :3].max(axis=1), 0.0)
