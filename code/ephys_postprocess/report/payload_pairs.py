"""The payload's part that is made of pairs of units: who is near whom, and their correlograms."""

import numpy as np

from ephys_postprocess.report.contents import ReportData
from ephys_postprocess.report.packing import pack, pack_counts

NUM_NEIGHBOURS = 5
PAIR_VALUES = 1_100_000  # counts of pairs that a page has room for: every pair of 210 units at 50 bins
_UINT8 = 2**8 - 1


def find_neighbours(data: ReportData) -> np.ndarray:
    """int64 (num_units, num_neighbours): the most similar units first; the nearest where similarity is not known."""
    number = min(NUM_NEIGHBOURS, max(0, data.num_units - 1))
    closeness = -_distances_um(data) if data.similarity is None else np.array(data.similarity, dtype=np.float64)
    np.fill_diagonal(closeness, -np.inf)
    return np.argsort(-closeness, axis=1, kind="stable")[:, :number]


def correlograms(data: ReportData, neighbours: np.ndarray) -> dict | None:
    """Every unit with itself, and of the pairs as many as there is room for: the similar ones, then the nearest."""
    if data.correlograms is None:
        return None
    units = np.arange(data.num_units)
    first, second = _chosen_pairs(data, neighbours, PAIR_VALUES // max(1, data.correlograms.edges_ms.size - 1))
    # Lags of the second unit after the first; the other way around is its mirror image.
    chosen = data.correlograms.of_pairs(np.append(second, units), np.append(first, units))
    of_pairs, auto = chosen[: first.size], chosen[first.size :]
    largest = of_pairs.max(axis=1, initial=0)
    pairs = {"first": pack_counts(first), "second": pack_counts(second)}
    if largest.max(initial=0) > _UINT8:  # the more frequent pairs keep a 255th of their largest count
        scales = np.maximum(1.0, largest / _UINT8)
        pairs |= {"scales": pack(scales, np.float32), "counts": pack(of_pairs / scales[:, None], np.uint8)}
    else:
        pairs["counts"] = pack(of_pairs, np.uint8)
    return {
        "edges_ms": data.correlograms.edges_ms.tolist(),
        "auto": pack_counts(auto),
        "pairs": pairs,
    }


def _chosen_pairs(data, neighbours, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs with first < second, ascending."""
    first, second = np.triu_indices(data.num_units, k=1)
    if first.size > most:
        distances = _distances_um(data)[first, second]
        is_similar = np.zeros((data.num_units, data.num_units), dtype=bool)
        np.put_along_axis(is_similar, neighbours, True, axis=1)
        distances[is_similar[first, second] | is_similar[second, first]] = -1.0
        chosen = np.sort(np.argsort(np.nan_to_num(distances, nan=np.inf), kind="stable")[:most])
        first, second = first[chosen], second[chosen]
    return first, second


def _distances_um(data) -> np.ndarray:
    """float64 (num_units, num_units)."""
    places = data.probe.locations_um[data.main_channel_indices] if data.locations_um is None else data.locations_um
    return np.linalg.norm(places[:, None, :2] - places[None, :, :2], axis=2)
