"""Who may come in: people, passwords, sessions and keys."""
