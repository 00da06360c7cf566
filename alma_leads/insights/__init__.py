"""What the firm can learn from its leads: counted day by day, put together for any period, and never in the way."""
