"""What a run learned, as one page; read from the files of the run directory alone."""
