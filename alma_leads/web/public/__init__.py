"""What anyone may use: the form and `POST /public/leads`."""
