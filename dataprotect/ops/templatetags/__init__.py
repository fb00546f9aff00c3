"""How the dashboard writes times, sizes, durations and states: one way for every page."""
