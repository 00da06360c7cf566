"""Getting mail delivered, whatever the mail server does. Knows no lead and would suit any application."""
