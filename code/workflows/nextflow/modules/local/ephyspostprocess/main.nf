// One recording: its traces and spikes in, its SortingAnalyzer, tables and report out.
process EPHYSPOSTPROCESS {
    tag "${meta.id}"
    label 'process_low'

    input:
    tuple val(meta), path(inputs, stageAs: 'data/*')           // all that preprocessing and sorting wrote of it
    path(session, stageAs: 'data/ecephys_session')             // folder with subject.json, data_description.json; or []
    path(parameters, stageAs: 'parameters.json')               // parameters of the capsule; or []

    output:
    tuple val(meta), path("results/postprocessed_*.zarr")         , emit: analyzer
    tuple val(meta), path("results/data_process_*.json")          , emit: data_process, optional: true
    tuple val(meta), path("results/units_*.{csv,parquet}")        , emit: units       , optional: true
    tuple val(meta), path("results/postprocessing-report_*.html") , emit: report      , optional: true
    tuple val(meta), path("results/postprocessing_*.json")        , emit: metadata    , optional: true
    path "versions.yml"                                           , emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def args  = task.ext.args ?: ''
    def run   = task.ext.run ?: 'run'
    def id    = "'" + meta.id.replace("'", "'\\''") + "'"
    def given = parameters ? '--params-file parameters.json' : ''
    """
    "${run}" \\
        --data data \\
        --results results \\
        --scratch . \\
        --recording ${id} \\
        --n-jobs ${task.cpus} \\
        --progress plain \\
        ${given} \\
        ${args}

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        ephys-postprocess: \$("${run}" --version)
    END_VERSIONS
    """

    stub:
    def run = task.ext.run ?: 'run'
    def id  = "'" + meta.id.replace("'", "'\\''") + "'"
    """
    mkdir -p results/postprocessed_${id}.zarr
    touch results/data_process_postprocessing_${id}.json results/units_${id}.csv results/postprocessing-report_${id}.html

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        ephys-postprocess: stub
    END_VERSIONS
    """
}
