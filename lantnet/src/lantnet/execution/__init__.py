"""Where the work on windows is done: this process, a pool of processes, or dask."""
