"""What the compliance pages start."""
