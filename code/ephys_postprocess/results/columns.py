"""Every column of the units tables, once: name, unit, meaning, source; and the thresholds curators use.


Rendered into the README, the report's hover text and the parquet file's metadata.
"""

from ephys_postprocess.parameters.columns import Column, Threshold

_QUALITY = "quality_metrics"
_TEMPLATE = "template_metrics"


_PIPELINE = "qc_thresholds of the AIND ephys pipeline 1.3.1"
# In the order in which the report shows them.
THRESHOLDS = {
    "rp_contamination": Threshold(0.5, False, _PIPELINE),
    "presence_ratio": Threshold(0.8, True, _PIPELINE),
    "amplitude_cutoff": Threshold(0.1, False, _PIPELINE),
    "snr": Threshold(5.0, True, "Bombcell's default for single units"),
    "firing_rate": Threshold(0.1, True, "a common convention"),
    "isi_violations_ratio": Threshold(0.5, False, "Siegle et al. 2021; earlier AIND pipelines"),
}
QC_COLUMNS = ("rp_contamination", "presence_ratio", "amplitude_cutoff")  # what the pipeline's default_qc asks for


def _columns(source: str, *rows: tuple[str, str, str] | tuple[str, str, str, str]) -> list[Column]:
    return [Column(*row[:3], ", ".join((source, *row[3:]))) for row in rows]


COLUMNS = {
    column.name: column
    for column in [
        Column("unit_id", "", "Name of the unit, as the spike sorter gave it.", "sorting"),
        Column("main_channel_id", "", "Channel on which the template is largest.", "sorting"),
        *_columns(
            "unit_locations",
            ("x_um", "µm", "Estimated position of the unit across the probe."),
            ("y_um", "µm", "Estimated position of the unit along the probe."),
            ("z_um", "µm", "Estimated distance of the unit from the probe's plane."),
        ),
        *_columns(
            _QUALITY,
            ("num_spikes", "", "Number of spikes in all segments."),
            ("firing_rate", "spikes/s", "Spikes divided by the recording's duration."),
            ("presence_ratio", "", "Share of 60 s bins with at least one spike; low: the unit came or went."),
            ("snr", "", "Largest value of the template over the noise of that channel."),
            (
                "isi_violations_ratio",
                "",
                "Estimated rate of contaminating spikes relative to the unit's own, from intervals below 1.5 ms; "
                "can exceed 1.",
                "Hill et al. 2011",
            ),
            ("isi_violations_count", "", "Number of inter-spike intervals below 1.5 ms."),
            (
                "rp_contamination",
                "",
                "Estimated share of spikes that belong to other neurons, from pairs within the refractory period.",
                "Llobet et al. 2022",
            ),
            ("rp_violations", "", "Number of spike pairs within the refractory period (1 ms)."),
            (
                "sliding_rp_violation",
                "",
                "Smallest contamination that can be excluded with 90 % confidence, over refractory periods.",
                "International Brain Laboratory 2022",
            ),
            (
                "amplitude_cutoff",
                "",
                "Estimated share of spikes lost below the detection threshold, at most 0.5.",
                "Hill et al. 2011",
            ),
            ("amplitude_median", "µV", "Median amplitude of the spikes, negative for troughs."),
            ("amplitude_cv_median", "", "Median over time bins of the amplitudes' coefficient of variation."),
            ("amplitude_cv_range", "", "Spread over time bins of the amplitudes' coefficient of variation."),
            (
                "noise_cutoff",
                "SD",
                "How far the count of the smallest amplitudes lies above that of the largest: large where spikes "
                "are cut off by the threshold.",
                "International Brain Laboratory 2022",
            ),
            ("noise_ratio", "", "Count of the smallest amplitudes over the largest count of any amplitude."),
            ("sync_spike_2", "", "Share of spikes that coincide, on the sample, with at least 1 of another unit."),
            ("sync_spike_4", "", "Share of spikes that coincide, on the sample, with at least 3 others."),
            ("sync_spike_8", "", "Share of spikes that coincide, on the sample, with at least 7 others."),
            ("firing_range", "spikes/s", "5th to 95th percentile of the firing rate in 5 s bins."),
            ("drift_ptp", "µm", "Largest minus smallest median position of the spikes over 60 s intervals."),
            ("drift_std", "µm", "Standard deviation of the spikes' median position over 60 s intervals."),
            ("drift_mad", "µm", "Median absolute deviation of the spikes' median position over 60 s intervals."),
            (
                "sd_ratio",
                "",
                "Standard deviation of the spikes' amplitudes over that of the noise; near 1 for one neuron.",
                "Pouzat et al. 2004",
            ),
            (
                "isolation_distance",
                "",
                "Squared Mahalanobis distance that holds as many foreign spikes as the unit has; large: isolated.",
                "Harris et al. 2001",
            ),
            ("l_ratio", "", "Amount of foreign spikes close to the unit; small: isolated.", "Schmitzer-Torbert 2005"),
            (
                "d_prime",
                "",
                "Separation from neighbours along the best linear axis; large: isolated.",
                "Hill et al. 2011",
            ),
            ("nn_hit_rate", "", "Share of the neighbours of the unit's spikes that are its own.", "Chung et al. 2017"),
            ("nn_miss_rate", "", "Share of the neighbours of foreign spikes that are the unit's.", "Chung et al. 2017"),
            ("silhouette", "", "Compactness against separation, from -1 to 1; 1: isolated.", "Hruschka et al. 2004"),
            ("nn_isolation", "", "Isolation from the nearest neighbouring unit, from 0 to 1.", "Chung et al. 2017"),
            ("nn_noise_overlap", "", "Share of the unit's neighbours that are noise.", "Chung et al. 2017"),
        ),
        *_columns(
            _TEMPLATE,
            ("peak_to_trough_duration", "s", "Time from the trough to the peak after it."),
            ("trough_half_width", "s", "Width of the trough at half its depth."),
            ("peak_half_width", "s", "Width of the peak at half its height."),
            ("repolarization_slope", "µV/s", "Slope from the trough back to the baseline."),
            ("recovery_slope", "µV/s", "Slope from the peak after the trough back to the baseline."),
            ("num_positive_peaks", "", "Number of positive peaks of the template."),
            ("num_negative_peaks", "", "Number of troughs of the template."),
            ("main_to_next_extremum_duration", "s", "Time from the largest extremum to the next one."),
            ("peak_before_to_trough_ratio", "", "Height of the peak before the trough over the trough's depth."),
            ("peak_after_to_trough_ratio", "", "Height of the peak after the trough over the trough's depth."),
            ("peak_before_to_peak_after_ratio", "", "Height of the peak before the trough over that after it."),
            ("main_peak_to_trough_ratio", "", "Height of the larger peak over the trough's depth."),
            ("trough_width", "s", "Width of the trough."),
            ("peak_before_width", "s", "Width of the peak before the trough."),
            ("peak_after_width", "s", "Width of the peak after the trough."),
            ("waveform_baseline_flatness", "", "Largest value of the first 0.5 ms over the template's largest."),
            ("velocity_above", "µm/ms", "Speed at which the spike travels up from the main channel."),
            ("velocity_below", "µm/ms", "Speed at which the spike travels down from the main channel."),
            ("exp_decay", "1/µm", "Rate at which the template decays with distance from the main channel."),
            ("spread", "µm", "Stretch of the probe on which the template exceeds a fifth of its largest value."),
            ("peak_to_valley", "s", "Earlier name of peak_to_trough_duration."),
            ("peak_trough_ratio", "", "Earlier name of peak_after_to_trough_ratio."),
            ("half_width", "s", "Earlier name of trough_half_width."),
        ),
    ]
}


def describe(name: str) -> Column:
    """The dictionary's entry; one that says so for a column it does not know (another version's, or a user's)."""
    return COLUMNS.get(name, Column(name, "", "Not in this version's data dictionary.", ""))


def markdown_table(names=None) -> str:
    """The data dictionary as a Markdown table, for the README; all columns by default."""
    rows = [describe(name) for name in (COLUMNS if names is None else names)]
    lines = [f"| `{row.name}` | {row.unit} | {row.meaning} | {row.source} |" for row in rows]
    return "\n".join(["| Column | Unit | Meaning | Source |", "|---|---|---|---|", *lines])
