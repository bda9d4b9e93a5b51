"""Reading what models write. No torch here."""
