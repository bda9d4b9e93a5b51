"""What differs between model families: pixels, placeholders, positions. One file each."""
