"""Small things that every room may use: text, email addresses, extensions, the log, who acts."""
