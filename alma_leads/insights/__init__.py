"""What the firm can learn from its leads, asked of the tables when someone opens the page."""
