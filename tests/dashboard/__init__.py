"""The dashboard: every page, by every role, in a real browser where that matters."""
