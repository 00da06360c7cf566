"""What workers do: the task queue and its tasks."""
