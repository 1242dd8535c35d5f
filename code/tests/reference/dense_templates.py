"""Templates on all channels, as SpikeInterface has them."""

from ephys_postprocess.stages.templates.templates import compute_packed_templates, unpack_channels


def compute_templates(source, operators, *arguments, **options):
    """{key: (num_units, num_samples, num_channels)}"""
    packed = compute_packed_templates(source, operators, *arguments, **options)
    return {key: unpack_channels(templates, source.selection.sparsity) for key, templates in packed.items()}
