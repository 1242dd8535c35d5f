"""Naive twin of kernels/spike_coincidence.py: one pair of units at a time."""


def spike_coincidence(
    line_samples,
    unit_indices,
    rows_by_unit,  # noqa: ARG001 (the kernel's signature)
    unit_edges,  # noqa: ARG001
    delta_samples,
    first_unit,
    last_unit,
    counts,
):
    num_units = counts.shape[1]
    trains = [line_samples[unit_indices == unit] for unit in range(num_units)]
    for unit in range(first_unit, last_unit):
        for partner in range(num_units):
            last = None
            for time in trains[unit]:
                near = [
                    k for k, other in enumerate(trains[partner]) if abs(other - time) <= delta_samples and k != last
                ]
                if near:
                    last = near[0]
                    counts[unit, partner] += 1
