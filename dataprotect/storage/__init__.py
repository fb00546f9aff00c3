"""Where bytes live. Knows no Django and no database engine."""
