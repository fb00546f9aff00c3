"""Pages that belong to no database: sign-in, jobs, health, preferences, and what every page shows."""
