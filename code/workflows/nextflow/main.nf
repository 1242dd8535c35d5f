#!/usr/bin/env nextflow
// Postprocess every recording of a data folder, one task each:
//   nextflow run code/workflows/nextflow --data DATA --outdir RESULTS [-profile slurm]
nextflow.enable.dsl = 2

include { EPHYSPOSTPROCESS } from './modules/local/ephyspostprocess/main'

// Names hold dots, spaces and '#': prefixes and endings are cut, and a name is never taken apart otherwise.
def recordingOf(path) {
    if (path.name ==~ /.*job.*\.json/ && !path.directory) {
        return new groovy.json.JsonSlurper().parse(path).recording_name
    }
    def prefixes = 'preprocessed|spikesorted|binary|motion|data_process_preprocessing'
    def found = path.name =~ /^(?:${prefixes})_(.+?)(?:\.zarr|\.npz|\.json|\.pkl|\.pickle)?$/
    return found ? found[0][1] : null
}

workflow {
    if (!params.data) {
        error "Give --data FOLDER: what preprocessing and spike sorting wrote."
    }
    def session    = params.session ? file(params.session, checkIfExists: true) : []
    def parameters = params.parameters ? file(params.parameters, checkIfExists: true) : []
    // Where jobs name recordings, only those are meant.
    def has_jobs   = !file("${params.data}/*job*.json").isEmpty()

    ch_recordings = Channel.fromPath("${params.data}/*", type: 'any', checkIfExists: true)
        .map { path -> tuple(recordingOf(path), path) }
        .filter { name, path -> name != null }
        .groupTuple(sort: { path -> path.name }) // in a fixed order, or -resume would find nothing again
        .filter { name, paths -> paths.any { it.name.startsWith('preprocessed_') || it.name.startsWith('binary_') } }
        .filter { name, paths -> !has_jobs || paths.any { it.name ==~ /.*job.*\.json/ } }
        .map { name, paths -> tuple([id: name], paths) }

    EPHYSPOSTPROCESS(ch_recordings, session, parameters)

    EPHYSPOSTPROCESS.out.versions
        .first()
        .collectFile(name: 'versions.yml', storeDir: "${params.outdir}/pipeline_info")
}

// Published results lie elsewhere than the tasks that made them: let them refer to their recordings again.
workflow.onComplete {
    if (params.relink && !workflow.stubRun && file("${params.outdir}/postprocessed_*.zarr", type: 'dir')) {
        def call = [params.run, '--relink', file(params.outdir).toString(), '--data', file(params.data).toString()]
        def done = new ProcessBuilder(call.collect { it.toString() }).inheritIO().start()
        if (done.waitFor() != 0) {
            log.warn "The results refer to the tasks' folders: run ${call.join(' ')}"
        }
    }
}
