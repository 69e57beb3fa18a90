"""Programs of this machine: finding, starting, watching and ending them, and waiting until they serve."""
