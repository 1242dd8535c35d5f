"""Which of SpikeInterface's recordings and sortings a description may name: those that only read, and compute.

SpikeInterface imports and calls whatever a description names. Among its own classes are some that run code of the
data folder (phy's params.py, klusta's .prm), evaluate text (SiNAPS), download libraries (Maxwell, Plexon2), reach over
the network (IBL), load models that hold code (DeepInterpolation) or remove what other programs use (SharedMemory).
"""

import importlib
from importlib.metadata import version

import spikeinterface.core as si

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.consent import ALLOW_CLASS_SWITCH
from ephys_postprocess.inputs.refusals import ClassNotAllowedError, NotAttachedError

_CORE = "spikeinterface.core"
_NEO = "spikeinterface.extractors.neoextractors"
_PREPROCESSING = "spikeinterface.preprocessing"
_CURATION = "spikeinterface.curation"
# Module: classes, as SpikeInterface 0.105 has them.
_CLASSES_OF_MODULES = {
    # what `save` writes
    f"{_CORE}.binaryfolder": ("BinaryFolderRecording",),
    f"{_CORE}.binaryrecordingextractor": ("BinaryRecordingExtractor",),
    f"{_CORE}.npzsortingextractor": ("NpzSortingExtractor",),
    f"{_CORE}.numpyextractors": ("NumpyRecording", "NumpySorting"),
    f"{_CORE}.sortingfolder": ("NpzFolderSorting", "NumpyFolderSorting"),
    f"{_CORE}.zarrextractors": ("ZarrArrayRecording", "ZarrRecordingExtractor", "ZarrSortingExtractor"),
    # parts and sums of others
    f"{_CORE}.channelsaggregationrecording": ("ChannelsAggregationRecording",),
    f"{_CORE}.channelslice": ("ChannelSliceRecording",),
    f"{_CORE}.frameslicerecording": ("FrameSliceRecording",),
    f"{_CORE}.frameslicesorting": ("FrameSliceSorting",),
    f"{_CORE}.segmentutils": (
        *("AppendSegmentRecording", "ConcatenateSegmentRecording", "SelectSegmentRecording"),
        *("AppendSegmentSorting", "ConcatenateSegmentSorting", "SelectSegmentSorting", "SplitSegmentSorting"),
    ),
    f"{_CORE}.unitsaggregationsorting": ("UnitsAggregationSorting",),
    f"{_CORE}.unitsselectionsorting": ("UnitsSelectionSorting",),
    f"{_CURATION}.mergeunitssorting": ("MergeUnitsSorting",),
    f"{_CURATION}.remove_duplicated_spikes": ("RemoveDuplicatedSpikesSorting",),
    f"{_CURATION}.remove_excess_spikes": ("RemoveExcessSpikesSorting",),
    f"{_CURATION}.splitunitsorting": ("SplitUnitSorting",),
    "spikeinterface.postprocessing.alignsorting": ("AlignSortingExtractor",),
    # raw data
    "spikeinterface.extractors.cbin_ibl": ("CompressedBinaryIblExtractor",),
    "spikeinterface.extractors.mcsh5extractors": ("MCSH5RecordingExtractor",),
    "spikeinterface.extractors.mdaextractors": ("MdaRecordingExtractor", "MdaSortingExtractor"),
    "spikeinterface.extractors.nwbextractors": (
        *("NwbRecordingExtractor", "NwbSortingExtractor", "NwbTimeSeriesExtractor"),
    ),
    "spikeinterface.extractors.whitematterrecordingextractor": ("WhiteMatterRecordingExtractor",),
    f"{_NEO}.alphaomega": ("AlphaOmegaRecordingExtractor",),
    f"{_NEO}.axon": ("AxonRecordingExtractor",),
    f"{_NEO}.axona": ("AxonaRecordingExtractor",),
    f"{_NEO}.biocam": ("BiocamRecordingExtractor",),
    f"{_NEO}.blackrock": ("BlackrockRecordingExtractor", "BlackrockSortingExtractor"),
    f"{_NEO}.edf": ("EDFRecordingExtractor",),
    f"{_NEO}.intan": ("IntanRecordingExtractor", "IntanSplitFilesRecordingExtractor"),
    f"{_NEO}.mcsraw": ("MCSRawRecordingExtractor",),
    f"{_NEO}.neuralynx": ("NeuralynxRecordingExtractor", "NeuralynxSortingExtractor"),
    f"{_NEO}.neuroexplorer": ("NeuroExplorerRecordingExtractor", "NeuroExplorerSortingExtractor"),
    f"{_NEO}.neuronexus": ("NeuroNexusRecordingExtractor",),
    f"{_NEO}.neuroscope": ("NeuroScopeRecordingExtractor", "NeuroScopeSortingExtractor"),
    f"{_NEO}.openephys": ("OpenEphysBinaryRecordingExtractor", "OpenEphysLegacyRecordingExtractor"),
    f"{_NEO}.plexon": ("PlexonRecordingExtractor", "PlexonSortingExtractor"),
    f"{_NEO}.spike2": ("Spike2RecordingExtractor",),
    f"{_NEO}.spikegadgets": ("SpikeGadgetsRecordingExtractor",),
    f"{_NEO}.spikeglx": ("SpikeGLXRecordingExtractor",),
    f"{_NEO}.tdt": ("TdtRecordingExtractor",),
    # preprocessing
    f"{_PREPROCESSING}.astype": ("AstypeRecording",),
    f"{_PREPROCESSING}.average_across_direction": ("AverageAcrossDirectionRecording",),
    f"{_PREPROCESSING}.clip": ("BlankSaturationRecording", "ClipRecording"),
    f"{_PREPROCESSING}.common_reference": ("CommonReferenceRecording",),
    f"{_PREPROCESSING}.decimate": ("DecimateRecording",),
    f"{_PREPROCESSING}.depth_order": ("DepthOrderRecording",),
    f"{_PREPROCESSING}.detect_artifacts": ("DetectAndRemoveArtifactsRecording",),
    f"{_PREPROCESSING}.detect_bad_channels": ("DetectAndRemoveBadChannelsRecording",),
    f"{_PREPROCESSING}.directional_derivative": ("DirectionalDerivativeRecording",),
    f"{_PREPROCESSING}.filter": (
        *("BandpassFilterRecording", "FilterRecording", "HighpassFilterRecording", "NotchFilterRecording"),
    ),
    f"{_PREPROCESSING}.filter_gaussian": ("GaussianFilterRecording",),
    f"{_PREPROCESSING}.highpass_spatial_filter": ("HighpassSpatialFilterRecording",),
    f"{_PREPROCESSING}.interpolate_bad_channels": (
        *("DetectAndInterpolateBadChannelsRecording", "InterpolateBadChannelsRecording"),
    ),
    f"{_PREPROCESSING}.normalize_scale": (
        *("CenterRecording", "NormalizeByQuantileRecording", "ScaleRecording", "ZScoreRecording"),
    ),
    f"{_PREPROCESSING}.phase_shift": ("PhaseShiftRecording",),
    f"{_PREPROCESSING}.rectify": ("RectifyRecording",),
    f"{_PREPROCESSING}.remove_artifacts": ("RemoveArtifactsRecording",),
    f"{_PREPROCESSING}.resample": ("ResampleRecording",),
    f"{_PREPROCESSING}.scale": ("ScaleToPhysicalUnits",),
    f"{_PREPROCESSING}.silence_periods": ("SilencedPeriodsRecording",),
    f"{_PREPROCESSING}.unsigned_to_signed": ("UnsignedToSignedRecording",),
    f"{_PREPROCESSING}.whiten": ("WhitenRecording",),
    f"{_PREPROCESSING}.zero_channel_pad": ("TracePaddedRecording", "ZeroChannelPaddedRecording"),
    "spikeinterface.sortingcomponents.motion.motion_interpolation": ("InterpolateMotionRecording",),
}
ALLOWED_CLASSES = frozenset(
    f"{module}.{name}" for module, class_names in _CLASSES_OF_MODULES.items() for name in class_names
)
_ALLOWED_CLASS_NAMES = frozenset(name.rpartition(".")[2] for name in ALLOWED_CLASSES)


def check_class(name: object, source: object, allowed_by_user: tuple[str, ...] = ()) -> None:
    """Refuse a class that is neither in the table above nor named by the user.

    Nothing is imported before the name itself is found good. Modules have moved between versions of SpikeInterface, so
    a name from another of its modules is good where it leads to a class of the table.

    Parameters
    ----------
    name : object
        What stands under "class" in a description: text in a good one.
    source : object
        The file that says so.
    allowed_by_user : tuple of str
        What `--allow-class` names: with its module, or the bare name of a class of SpikeInterface.

    Raises
    ------
    ClassNotAllowedError
        Not in the table, and not asked for.
    InputError
        No name of a class, or of a class that is neither recording nor sorting.
    NotAttachedError
        This version of SpikeInterface lacks it.
    """
    if not (isinstance(name, str) and name.isascii() and all(part.isidentifier() for part in name.split("."))):
        raise InputError(f"{source}: names the class {_shown(name)}, which is no name of a class in a module.")
    module_name, _, class_name = name.rpartition(".")
    is_of_spikeinterface = module_name.startswith("spikeinterface.")
    is_asked_for = name in allowed_by_user or (is_of_spikeinterface and class_name in allowed_by_user)
    if not is_asked_for and not (is_of_spikeinterface and class_name in _ALLOWED_CLASS_NAMES):
        raise _not_allowed(name, source)
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        where = f"SpikeInterface {version('spikeinterface')} lacks" if is_of_spikeinterface else "there is no"
        raise NotAttachedError(f"{where} {name} ({error})") from error
    if not (isinstance(found, type) and issubclass(found, (si.BaseRecording, si.BaseSorting))):
        raise InputError(f"{source}: {name!r} is neither a recording nor a sorting of SpikeInterface; not opened.")
    if not is_asked_for and f"{found.__module__}.{found.__qualname__}" not in ALLOWED_CLASSES:
        raise _not_allowed(name, source)


def _not_allowed(name: str, source: object) -> ClassNotAllowedError:
    return ClassNotAllowedError(
        f"{source}: names the class {name!r}, which is not among those that only read data; it could run code or reach "
        f"beyond the data. Save the data with SpikeInterface and attach that folder, or give {ALLOW_CLASS_SWITCH} "
        f"{name} if you mean it."
    )


def _shown(name: object) -> str:
    text = ascii(name)
    return text if len(text) <= 80 else f"{text[:77]}..."
