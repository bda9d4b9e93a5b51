"""What a paper claims, as data: the published table, how to make it again, and a version small enough for a CPU."""
