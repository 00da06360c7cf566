"""Finding leads: filters, sorting, search, saved views."""
