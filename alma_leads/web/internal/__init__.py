"""What only the firm may use: the desk and its JSON API."""
