"""Video files in, small RGB clips with true time stamps out.

`load.load_clip` is the one road: index the packets, choose frames, decode only those, resize, keep on disk.
"""
