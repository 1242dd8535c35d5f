"""The extensions of a SortingAnalyzer that can be computed; what is known of each is in its record, its class."""

from ephys_postprocess.parameters.computed import Extension
from ephys_postprocess.parameters.location_extensions import (
    AmplitudeScalings,
    SpikeAmplitudes,
    SpikeLocations,
    UnitLocations,
)
from ephys_postprocess.parameters.metric_extensions import QualityMetrics, SpiketrainMetrics, TemplateMetrics
from ephys_postprocess.parameters.problems import section_type
from ephys_postprocess.parameters.spike_train_extensions import (
    Acgs3d,
    AutoCorrelograms,
    Correlograms,
    IsiHistograms,
    ValidUnitPeriods,
)
from ephys_postprocess.parameters.template_extensions import (
    NoiseLevels,
    PrincipalComponents,
    RandomSpikes,
    Templates,
    TemplateSimilarity,
    Waveforms,
)
from ephys_postprocess.parameters.types import NamedSections


class Extensions(NamedSections):
    """What is computed, in this order. An extension whose default is None is computed only when asked for."""

    # Each after what it needs; principal_components early, to let the waveforms go before the tables are made.
    random_spikes: RandomSpikes | None = RandomSpikes()
    noise_levels: NoiseLevels | None = NoiseLevels()
    waveforms: Waveforms | None = Waveforms()
    templates: Templates | None = Templates()
    principal_components: PrincipalComponents | None = PrincipalComponents()
    spike_amplitudes: SpikeAmplitudes | None = SpikeAmplitudes()
    amplitude_scalings: AmplitudeScalings | None = AmplitudeScalings()
    spike_locations: SpikeLocations | None = SpikeLocations()
    unit_locations: UnitLocations | None = UnitLocations()
    template_similarity: TemplateSimilarity | None = TemplateSimilarity()
    template_metrics: TemplateMetrics | None = TemplateMetrics()
    correlograms: Correlograms | None = Correlograms()
    auto_correlograms: AutoCorrelograms | None = None
    acgs_3d: Acgs3d | None = None
    isi_histograms: IsiHistograms | None = IsiHistograms()
    valid_unit_periods: ValidUnitPeriods | None = ValidUnitPeriods()
    spiketrain_metrics: SpiketrainMetrics | None = None
    quality_metrics: QualityMetrics | None = QualityMetrics()


# Name: record, in the order in which they are computed.
EXTENSIONS: dict[str, type[Extension]] = {
    name: section_type(field.annotation) for name, field in Extensions.model_fields.items()
}
EXTENSION_NAMES = tuple(EXTENSIONS)
DEFAULT_EXTENSIONS = Extensions().keys()
EXTENSIONS_WITH_A_PICTURE = tuple(name for name, record in EXTENSIONS.items() if record.has_picture)
