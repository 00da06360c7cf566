"""What settings may hold, and the `.env` file of the first run."""
