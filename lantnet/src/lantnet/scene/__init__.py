"""Images in: files, arrays, grids, scales, and both dates as one scene read in windows."""
