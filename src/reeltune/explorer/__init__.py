"""`reeltune explore`: a local server over the files of runs, evaluations, selections, samples."""
