"""What a lead is: its tables, status, events, errors, emails."""
