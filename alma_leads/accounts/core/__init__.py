"""What an account is: its tables, permissions, sessions, passwords, links, emails."""
