"""How databases are backed up and brought back. Knows no Django; may use storage."""
