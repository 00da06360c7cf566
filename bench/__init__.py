"""What each layer costs, side by side with the bare floor of this stack. `make bench` prints the table."""
