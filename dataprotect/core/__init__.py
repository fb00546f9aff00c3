"""What every room may lean on: errors, progress, clock, identifiers, secrets. Standard library only."""
