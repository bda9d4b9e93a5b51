"""Maps out: clean-up, files, polygons, pictures, scores, the run report."""
