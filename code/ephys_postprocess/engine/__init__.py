"""A SortingAnalyzer's extensions, computed: SpikeInterface's objects in, arrays to the stages, results to a sink."""
